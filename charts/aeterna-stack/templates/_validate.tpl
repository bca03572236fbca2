{{/* Refuses parts that would not find each other. */}}
{{- define "aeterna-stack.validate" -}}
{{- $aeterna := .Values.aeterna -}}
{{- $postgres := index .Values "postgres-ha" -}}
{{- $redis := index .Values "redis-sentinel" -}}
{{- $qdrant := index .Values "qdrant-ha" -}}
{{- $faults := list -}}

{{- $hosts := list -}}
{{- range $member := until (int $postgres.members) -}}
{{- $hosts = append $hosts (printf "%s-%d.%s-members:5432" $postgres.fullnameOverride $member $postgres.fullnameOverride) -}}
{{- end -}}
{{- if ne ($hosts | join ",") (sortAlpha $aeterna.database.hosts | join ",") -}}
{{- $faults = append $faults (printf "aeterna.database.hosts: the members of postgres-ha are %s" (join ", " $hosts)) -}}
{{- end -}}

{{- $secret := $postgres.auth.existingSecret | default (printf "%s-credentials" $postgres.fullnameOverride) -}}
{{- if ne $secret $aeterna.database.secret -}}
{{- $faults = append $faults (printf "aeterna.database.secret: the passwords of postgres-ha are in %s" $secret) -}}
{{- end -}}

{{- $connections := int (include "aeterna.peakConnections" .Subcharts.aeterna) -}}
{{- $allowed := int $postgres.parameters.max_connections -}}
{{- if gt (add $connections 10) $allowed -}}
{{- $faults = append $faults (printf "postgres-ha.parameters.max_connections: %d are too few for %d connections of the services and 10 of its own" $allowed $connections) -}}
{{- end -}}

{{- $sentinel := printf "%s-sentinel:26379" $redis.fullnameOverride -}}
{{- if and (has $sentinel $aeterna.wakeups.sentinels) (not $redis.enabled) -}}
{{- $faults = append $faults (printf "redis-sentinel.enabled: wake-ups go by %s, which nothing installs" $sentinel) -}}
{{- end -}}
{{- $secret = dig "auth" "existingSecret" "" $redis | default (printf "%s-credentials" $redis.fullnameOverride) -}}
{{- if and $redis.enabled (has $sentinel $aeterna.wakeups.sentinels) (ne $secret $aeterna.wakeups.secret) -}}
{{- $faults = append $faults (printf "aeterna.wakeups.secret: the password of redis-sentinel is in %s" $secret) -}}
{{- end -}}
{{- if and $redis.enabled (ne $aeterna.wakeups.transport "redis") -}}
{{- $faults = append $faults "redis-sentinel.enabled: nothing uses it; set aeterna.wakeups as profiles/ha.yaml does" -}}
{{- end -}}

{{- $url := printf "http://%s:6333" $qdrant.fullnameOverride -}}
{{- if and (eq $aeterna.index.url $url) (not $qdrant.enabled) -}}
{{- $faults = append $faults (printf "qdrant-ha.enabled: vectors are looked for at %s, which nothing installs" $url) -}}
{{- end -}}
{{- if and $qdrant.enabled (ne $aeterna.index.provider "qdrant") -}}
{{- $faults = append $faults "qdrant-ha.enabled: nothing uses it; lay profiles/qdrant.yaml over your values" -}}
{{- end -}}

{{- if $faults -}}
{{- fail (printf "\n- %s" (join "\n- " $faults)) -}}
{{- end -}}
{{- end }}
