{{- define "redis-sentinel.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Never changes, so that a StatefulSet can be upgraded. */}}
{{- define "redis-sentinel.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of pods: no versions, so that a release of the chart alone restarts nothing. */}}
{{- define "redis-sentinel.podLabels" -}}
{{ include "redis-sentinel.selector" . }}
app.kubernetes.io/part-of: aeterna
{{- end -}}

{{- define "redis-sentinel.labels" -}}
{{ include "redis-sentinel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: aeterna
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "redis-sentinel.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "redis-sentinel.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "redis-sentinel.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "redis-sentinel.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* For `component` of the chart: not two on a node, and as many zones as there are. */}}
{{- define "redis-sentinel.spread" -}}
{{- range $key, $unsatisfiable := dict "kubernetes.io/hostname" .root.Values.spreadAcrossNodes "topology.kubernetes.io/zone" "ScheduleAnyway" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $unsatisfiable }}
  labelSelector:
    matchLabels:
      {{- include "redis-sentinel.selector" $.root | nindent 6 }}
      app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- end -}}

{{- define "redis-sentinel.credentials" -}}
{{ .Values.auth.existingSecret | default (printf "%s-credentials" (include "redis-sentinel.fullname" .)) }}
{{- end -}}

{{- define "redis-sentinel.password" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: {name: {{ include "redis-sentinel.credentials" .root }}, key: {{ .key }}}
{{- end -}}

{{/* The pods of `component` as a NetworkPolicyPeer, in JSON. */}}
{{- define "redis-sentinel.peer" -}}
{{- $labels := include "redis-sentinel.selector" .root | fromYaml -}}
{{- dict "podSelector" (dict "matchLabels" (set $labels "app.kubernetes.io/component" .component)) | toJson -}}
{{- end -}}

{{/* What the scripts need to know. */}}
{{- define "redis-sentinel.environment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- {name: NAME, value: {{ include "redis-sentinel.fullname" . }}}
- {name: SERVICE, value: {{ include "redis-sentinel.fullname" . }}-members.{{ .Release.Namespace }}.svc}
- {name: REPLICAS, value: {{ .Values.replicas | quote }}}
- {name: QUORUM, value: {{ .Values.sentinel.quorum | quote }}}
{{ include "redis-sentinel.password" (dict "root" . "variable" "REDISCLI_AUTH" "key" "password") }}
{{- end -}}
