{{- define "redis-sentinel.validate" -}}
{{- $replicas := int .Values.replicas -}}
{{- $quorum := int .Values.sentinel.quorum -}}
{{- if eq (mod $replicas 2) 0 -}}
{{- fail (printf "replicas must be odd (it is %d): two halves of an even number can each hold the other for down" $replicas) -}}
{{- end -}}
{{- if or (le (mul 2 $quorum) $replicas) (gt $quorum $replicas) -}}
{{- fail (printf "sentinel.quorum (%d) must be more than half of replicas (%d) and not more than all" $quorum $replicas) -}}
{{- end -}}
{{- if ge (int .Values.minReplicasToWrite) $replicas -}}
{{- fail (printf "minReplicasToWrite (%v) must be less than replicas (%d): no write would ever be accepted" .Values.minReplicasToWrite $replicas) -}}
{{- end -}}
{{- if and (gt $replicas 1) (lt (int .Values.minReplicasToWrite) 1) -}}
{{- fail "minReplicasToWrite must be 1 at least: a master that is cut off would take writes until it is found, and lose them" -}}
{{- end -}}
{{- if lt (int .Values.sentinel.failoverTimeout) (mul 2 (int .Values.sentinel.downAfter)) -}}
{{- fail "sentinel.failoverTimeout must be twice sentinel.downAfter at least: a second failover would start before the first ends" -}}
{{- end -}}
{{- end -}}
