{{- define "qdrant-ha.validate" -}}
{{- $nodes := int .Values.nodes -}}
{{- if eq $nodes 2 -}}
{{- fail "nodes: 2 is worse than 1: both must be up to change a collection or to recover a copy; use 3" -}}
{{- end -}}
{{- if gt (int .Values.replicationFactor) $nodes -}}
{{- fail (printf "replicationFactor (%v) cannot exceed nodes (%d)" .Values.replicationFactor $nodes) -}}
{{- end -}}
{{- if and (gt $nodes 1) (lt (int .Values.replicationFactor) 2) -}}
{{- fail "replicationFactor must be 2 at least with several nodes: the loss of any one would lose data" -}}
{{- end -}}
{{- if gt (int .Values.writeConsistencyFactor) (int .Values.replicationFactor) -}}
{{- fail (printf "writeConsistencyFactor (%v) cannot exceed replicationFactor (%v): no write would be acknowledged" .Values.writeConsistencyFactor .Values.replicationFactor) -}}
{{- end -}}
{{- end -}}
