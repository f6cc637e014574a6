"""The commands of ``vadose``, one module per stage; each imports its machinery only when it runs."""
