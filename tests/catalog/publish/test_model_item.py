"""A trained model as a STAC item: described, complete, valid offline, published once."""

import copy
import hashlib
import json
import shutil
from pathlib import Path

import pystac
import pytest
import xgboost as xgb
from pystac.extensions.mlm import MLMExtension

from catalog import install_validator, items, publish, validate_catalog, validate_item
from catalog.items.model import tree_nodes
from catalog.naming import ModelName
from catalog.publish.model import publish_model
from catalog.reading.days import describe
from downscaler import product
from downscaler.errors import CatalogError, ModelUnreadableError
from downscaler.report.model_files import write_report
from downscaler.stores.model import manifest_digest, read_manifest

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def reported(chain, tmp_path_factory):
    """A model's folder with its report, to read."""
    made = shutil.copytree(chain.model_folder, tmp_path_factory.mktemp("reported") / "model")
    write_report(made, chain.model.card)
    return made


@pytest.fixture
def folder(reported, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(reported, tmp_path / "model")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "catalog"


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def item_path(href: str) -> Path:
    return Path(href.removeprefix("file://"))


def rewrite(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(manifest | changes))


def test_a_model_is_laid_out_linked_and_valid(root, folder):
    href = publish_model(root, folder)
    name = ModelName(domain_name="small", digest=manifest_digest(read_manifest(folder)))
    assert href == (root / name.item_key).as_uri()
    below = f"vadose-models/{name.item_id}"
    files = {f"{below}/r001/{p.relative_to(folder).as_posix()}" for p in folder.rglob("*") if p.is_file()}
    assert set(contents(root)) == {
        "catalog.json",
        "vadose-models/collection.json",
        "vadose-models/index/items.parquet",
        f"{below}/{name.item_id}.json",
        *files,
    }
    assert validate_catalog(root) == ["catalog.json", "vadose-models/collection.json", name.item_key]


def test_assets_carry_roles_size_and_sha256(root, folder):
    path = item_path(publish_model(root, folder))
    assets = json.loads(path.read_text())["assets"]
    boosters = [a for a in assets.values() if "mlm:model" in a["roles"]]
    parts = [part["file"] for branch in read_manifest(folder)["branches"] for part in branch["files"].values()]
    assert sorted(Path(a["href"]).name for a in boosters) == sorted(file for file in parts if file.endswith(".ubj"))
    assert {Path(asset["href"]).name for asset in assets.values()} >= set(parts)
    assert all(a["mlm:artifact_type"] == "xgboost.ubj" and a["bands"] for a in boosters)
    assert {"manifest", "card", "report", "thumbnail"} <= set(assets)
    assert assets["thumbnail"]["roles"] == ["thumbnail", "overview"]
    for asset in assets.values():
        content = (path.parent / asset["href"]).read_bytes()
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_pystac_reads_the_model_as_its_extension_says(root, folder, chain):
    install_validator()
    item = pystac.Item.from_file(item_path(publish_model(root, folder)).as_posix())
    item.validate()
    model = MLMExtension.ext(item)
    assert (model.mlm_name, model.architecture, model.framework) == (item.id, "XGBoost", "xgboost")
    assert model.framework_version == xgb.__version__
    assert model.tasks == ["regression"]
    assert model.pretrained is False
    features = {branch.name: list(branch.features) for branch in chain.model.branches.values()}
    assert {entry.name: entry.bands for entry in model.input} == features
    assert {entry.name: entry.input.shape[1] for entry in model.input} == {k: len(v) for k, v in features.items()}
    assert {band["name"] for band in item.properties["bands"]} == {name for f in features.values() for name in f}
    assert model.hyperparameters.to_dict()["depth"] == chain.options.depth
    assert item.properties["vadose:simulated"] is True
    assert product.SIMULATED_LABEL in item.properties["title"]
    assert item.common_metadata.start_datetime.date() == chain.prior.period[0]


def test_parameters_are_the_nodes_of_the_trees(tmp_path):
    matrix = xgb.DMatrix([[0.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 1.0, 1.0])
    booster = xgb.train({"max_depth": 1, "nthread": 1, "min_child_weight": 0}, matrix, 5)
    booster.save_model(tmp_path / "stumps.ubj")
    assert tree_nodes(tmp_path / "stumps.ubj") == 5 * 3


def test_the_same_model_again_changes_nothing_and_mends_a_lost_link(root, folder):
    first = publish_model(root, folder)
    before = contents(root)
    assert publish_model(root, folder) == first
    assert contents(root) == before
    (root / "vadose-models" / "collection.json").unlink()
    publish_model(root, folder)
    assert contents(root) == before


def test_a_changed_report_is_the_next_revision_of_the_same_model(root, folder):
    first = publish_model(root, folder)
    (folder / "skill_report.md").write_text("# judged again\n")
    second = publish_model(root, folder)
    assert second == first
    path = item_path(second)
    item = json.loads(path.read_text())
    assert item["properties"]["version"] == "2"
    assert all(asset["href"].startswith("./r002/") for asset in item["assets"].values())
    archived = json.loads((path.parent / "r001" / "item.json").read_text())
    assert archived["properties"]["deprecated"] is True
    assert all((path.parent / "r001" / asset["href"]).is_file() for asset in archived["assets"].values())
    assert len(validate_catalog(root)) == 3
    assert describe(path)["checksums_ok"]


def test_another_model_is_another_item_of_the_collection(root, folder):
    first = publish_model(root, folder)
    manifest = read_manifest(folder)
    manifest["branches"][0]["stretch"] = [1.0, 2.0]
    (folder / "model.json").write_text(json.dumps(manifest))
    assert publish_model(root, folder) != first
    links = json.loads((root / "vadose-models" / "collection.json").read_text())["links"]
    assert sum(link["rel"] == "item" for link in links) == 2
    validate_catalog(root)


def test_the_footprint_is_the_training_domains(root, folder):
    own = json.loads(item_path(publish_model(root, folder)).read_text())
    assert own["bbox"][0] < own["bbox"][2]
    assert own["bbox"][1] < own["bbox"][3]
    assert own["geometry"]["type"] == "Polygon"
    rewrite(folder, domain="elsewhere", domain_m36=[85, 89, 180, 184])
    other = json.loads(item_path(publish_model(root, folder)).read_text())
    assert other["bbox"][2] < own["bbox"][0]


def test_a_damaged_model_is_refused_and_leaves_nothing(root, folder):
    booster = next(folder.glob("*-mean.ubj"))
    booster.write_bytes(booster.read_bytes()[:-9])
    with pytest.raises(ModelUnreadableError, match="changed"):
        publish_model(root, folder)
    with pytest.raises(ModelUnreadableError, match=r"(?i)not a model folder"):
        publish_model(root, folder / "nowhere")
    assert not root.exists()


def test_a_model_without_reports_can_be_published(root, chain):
    item = json.loads(item_path(publish_model(root, chain.model_folder)).read_text())
    assert "thumbnail" not in item["assets"]
    validate_item(item)


def test_a_model_beside_days_is_no_day(root, folder, domain, tiles, record):
    day = publish(root, record(domain), domain, tiles(domain))
    publish_model(root, folder)
    assert [item["id"] for item in items(root)] == [day.item_id]
    assert len(validate_catalog(root)) == 7
    children = [
        link["href"] for link in json.loads((root / "catalog.json").read_text())["links"] if link["rel"] == "child"
    ]
    assert "./vadose-models/collection.json" in children
    assert len(children) == 2


def wrong(item, change):
    changed = copy.deepcopy(item)
    change(changed["properties"], changed["assets"])
    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda p, a: p.pop("mlm:input"),
        lambda p, a: p.pop("mlm:output"),
        lambda p, a: p.update({"mlm:name": "two words"}),
        lambda p, a: p.update({"mlm:tasks": ["divination"]}),
        lambda p, a: p.update({"mlm:pretrained_source": "ImageNet"}),
        lambda p, a: p.update({"mlm:accelerator": "abacus"}),
        lambda p, a: p.update({"mlm:norm_type": "z-score"}),
        lambda p, a: p["mlm:input"][0]["input"].update(shape=[0, 3]),
        lambda p, a: p["mlm:input"][0].pop("bands"),
        lambda p, a: p["mlm:output"][0]["result"].pop("data_type"),
        lambda p, a: p.update({"mlm:hyperparameters": {}}),
        lambda p, a: a["manifest"].update({"mlm:artifact_type": "json"}),
        lambda p, a: a["manifest"].update({"mlm:name": "vadose"}),
        lambda p, a: next(x for x in a.values() if "mlm:model" in x["roles"]).pop("mlm:artifact_type"),
        lambda p, a: [x.update(roles=["data"]) or x.pop("mlm:artifact_type", 0) for x in a.values()],
        lambda p, a: p.update({"vadose:digest": "abc"}),
        lambda p, a: p.pop("vadose:caveats"),
    ],
)
def test_the_schemas_refuse_what_the_specification_does(root, folder, change):
    item = json.loads(item_path(publish_model(root, folder)).read_text())
    validate_item(item)
    with pytest.raises(CatalogError, match="not a valid"):
        validate_item(wrong(item, change))
