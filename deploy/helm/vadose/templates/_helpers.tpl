{{- define "vadose.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}

{{- define "vadose.labels" -}}
app.kubernetes.io/name: vadose
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "vadose.selector" -}}
app.kubernetes.io/name: vadose
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "vadose.tag" -}}{{ .Values.image.tag | default .Chart.AppVersion }}{{- end }}
{{- define "vadose.claim" -}}{{ .Values.volume.existingClaim | default (printf "%s-data" (include "vadose.name" .)) }}{{- end }}

{{- /* Pod Security "restricted". */ -}}
{{- define "vadose.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "vadose.container" -}}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "vadose.workerEnv" -}}
- {name: VADOSE_CONFIG, value: /data/vadose.toml}
{{- if eq .Values.mode "prefect" }}
- {name: PREFECT_API_URL, value: "http://{{ include "vadose.name" . }}-prefect:4200/api"}
- {name: PREFECT_FLOWS_HEARTBEAT_FREQUENCY, value: "60"}
{{- with .Values.api.publicUrl }}
- {name: VADOSE_CATALOG_URL, value: "{{ trimSuffix "/" . }}/catalog"}
{{- end }}
{{- end }}
{{ include "vadose.storeEnv" . }}
- name: EARTHDATA_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .Values.secret }}, key: EARTHDATA_TOKEN, optional: true}}
{{- end }}

{{- define "vadose.storeEnv" -}}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" -}}
- name: {{ $key }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.secret }}, key: {{ $key }}, optional: true}}
{{ end -}}
{{- range $key, $value := .Values.env }}
- {name: {{ $key }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "vadose.volumes" -}}
- name: data
  persistentVolumeClaim: {claimName: {{ include "vadose.claim" . }}}
- name: settings
  configMap: {name: {{ include "vadose.name" . }}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.worker.temporary }}}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ .Values.worker.sharedMemory }}}
{{- end }}

{{- define "vadose.mounts" -}}
- {name: data, mountPath: /data}
- {name: settings, mountPath: /data/vadose.toml, subPath: vadose.toml, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
{{- end }}
