{{/* Shown after an installation, by this chart or by an umbrella. */}}
{{- define "aeterna.notes" -}}
Aeterna {{ .Chart.AppVersion }} in namespace {{ .Release.Namespace }}: memory:50051, knowledge:50052, governance:50053, sync:50054, console and WebSockets sync:8080.

{{ if eq .Values.kms.provider "local" -}}
WARNING: this is not production mode. The keys that wrap every tenant's keys are in the Secret
{{ include "aeterna.keyringSecret" . }}: whoever reads Secrets in this namespace can read everything. Encrypt Secrets at
rest, restrict who reads them, and
{{- if not .Values.kms.keyringSecret }} back this one up now, apart from the database: without it all data is lost.

  kubectl -n {{ .Release.Namespace }} get secret {{ include "aeterna.keyringSecret" . }} -o jsonpath='{.data.keyring\.json}' | base64 -d > keyring.json
{{- else }} keep a copy, apart from the database: without it all data is lost.
{{- end }}
{{- else -}}
Keys are wrapped by {{ .Values.kms.provider }}: without its key {{ ternary .Values.kms.aws.key .Values.kms.vault.key (eq .Values.kms.provider "aws") }} all data is lost. Never delete it.
{{- if .Values.kms.keepKeyring }}
Rewrap every tenant (aeterna --tenant NAME keys rewrap); then set kms.keepKeyring to false.
{{- end }}
{{- if not .Values.production }}
This is not production mode: set production to true.
{{- end }}
{{- end }}

Wait for the migrations and the services, and ask for their health:

  helm test {{ .Release.Name }} -n {{ .Release.Namespace }} --logs

Clients need the pod label {{ range $key, $value := .Values.networkPolicy.clients }}{{ $key }}={{ $value }} {{ end }}and a token.
{{- if .Values.auth.kubernetes.enabled }}{{ with .Values.auth.kubernetes }} One of a service account that
auth.kubernetes.subjects names:

  kubectl -n {{ $.Release.Namespace }} create token NAME --audience {{ .audience }}
{{- end }}{{- end }}

{{ if ne .Values.wakeups.transport "redis" -}}
Who is present is known to each replica of sync alone, and clients are told so: set wakeups.transport to redis to share it.

{{ end -}}
{{ if eq .Values.upgrade "blueGreen" -}}
A new image reaches only colours at rest. Deploy it, check it and move the traffic, for each service:

  aeterna release SERVICE
{{- else -}}
A new image replaces the running pods (upgrade: inPlace).
{{- end }}

Live now:{{ range $name, $_ := include "aeterna.services" . | fromYaml }} {{ $name }} {{ include "aeterna.liveColor" (dict "root" $ "name" $name) }},{{ end }} each resting in the other colour.
At full scale, while one service has both colours, that makes {{ include "aeterna.peakConnections" . }} connections to PostgreSQL: its
max_connections has to be higher.
{{- end }}
