{{- define "qdrant-ha.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Never changes, so that a StatefulSet can be upgraded. */}}
{{- define "qdrant-ha.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of pods: no versions, so that a release of the chart alone restarts nothing. */}}
{{- define "qdrant-ha.podLabels" -}}
{{ include "qdrant-ha.selector" . }}
app.kubernetes.io/part-of: aeterna
{{- end -}}

{{- define "qdrant-ha.labels" -}}
{{ include "qdrant-ha.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: aeterna
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "qdrant-ha.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "qdrant-ha.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "qdrant-ha.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "qdrant-ha.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* For `component` of the chart: not two on a node, and as many zones as there are. */}}
{{- define "qdrant-ha.spread" -}}
{{- range $key, $unsatisfiable := dict "kubernetes.io/hostname" .root.Values.spreadAcrossNodes "topology.kubernetes.io/zone" "ScheduleAnyway" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $unsatisfiable }}
  labelSelector:
    matchLabels:
      {{- include "qdrant-ha.selector" $.root | nindent 6 }}
      app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- end -}}

{{- define "qdrant-ha.credentials" -}}
{{ .Values.auth.existingSecret | default (printf "%s-credentials" (include "qdrant-ha.fullname" .)) }}
{{- end -}}

{{- define "qdrant-ha.password" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: {name: {{ include "qdrant-ha.credentials" .root }}, key: {{ .key }}}
{{- end -}}

{{/* The pods of `component` as a NetworkPolicyPeer, in JSON. */}}
{{- define "qdrant-ha.peer" -}}
{{- $labels := include "qdrant-ha.selector" .root | fromYaml -}}
{{- dict "podSelector" (dict "matchLabels" (set $labels "app.kubernetes.io/component" .component)) | toJson -}}
{{- end -}}

{{/* Base URLs of all nodes, each by its own name. */}}
{{- define "qdrant-ha.urls" -}}
{{- $name := include "qdrant-ha.fullname" . -}}
{{- $urls := list -}}
{{- range $node := until (int .Values.nodes) -}}
{{- $urls = append $urls (printf "http://%s-%d.%s-members.%s.svc:6333" $name $node $name $.Release.Namespace) -}}
{{- end -}}
{{- join " " $urls -}}
{{- end -}}
