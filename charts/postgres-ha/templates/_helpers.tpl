{{- define "postgres-ha.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Never changes, so that a StatefulSet can be upgraded. */}}
{{- define "postgres-ha.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of pods: no versions, so that a release of the chart alone restarts nothing. */}}
{{- define "postgres-ha.podLabels" -}}
{{ include "postgres-ha.selector" . }}
app.kubernetes.io/part-of: aeterna
{{- end -}}

{{- define "postgres-ha.labels" -}}
{{ include "postgres-ha.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: aeterna
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "postgres-ha.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "postgres-ha.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "postgres-ha.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "postgres-ha.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* For `component` of the chart: not two on a node, and as many zones as there are. */}}
{{- define "postgres-ha.spread" -}}
{{- range $key, $unsatisfiable := dict "kubernetes.io/hostname" .root.Values.spreadAcrossNodes "topology.kubernetes.io/zone" "ScheduleAnyway" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $unsatisfiable }}
  labelSelector:
    matchLabels:
      {{- include "postgres-ha.selector" $.root | nindent 6 }}
      app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- end -}}

{{- define "postgres-ha.credentials" -}}
{{ .Values.auth.existingSecret | default (printf "%s-credentials" (include "postgres-ha.fullname" .)) }}
{{- end -}}

{{- define "postgres-ha.password" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: {name: {{ include "postgres-ha.credentials" .root }}, key: {{ .key }}}
{{- end -}}

{{- define "postgres-ha.ownEtcd" -}}
{{- if and (eq .Values.dcs.type "etcd3") (not .Values.etcd.external.hosts) }}true{{ end -}}
{{- end -}}

{{/* DNS names of the members, as a JSON list: short of the cluster's domain, which the resolver adds. */}}
{{- define "postgres-ha.members" -}}
{{- $name := include "postgres-ha.fullname" . -}}
{{- $hosts := list -}}
{{- range $member := until (int .Values.members) -}}
{{- $hosts = append $hosts (printf "%s-%d.%s-members.%s.svc" $name $member $name $.Release.Namespace) -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{- define "postgres-ha.etcdHosts" -}}
{{- $name := include "postgres-ha.fullname" . -}}
{{- $hosts := .Values.etcd.external.hosts -}}
{{- if not $hosts -}}
{{- range $member := until (int .Values.etcd.replicas) -}}
{{- $hosts = append $hosts (printf "%s-etcd-%d.%s-etcd.%s.svc:2379" $name $member $name $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{- define "postgres-ha.backupPath" -}}
{{ .Values.backup.path | default (printf "/%s/%s" .Release.Namespace (include "postgres-ha.fullname" .)) }}
{{- end -}}

{{- define "postgres-ha.backupClaim" -}}
{{ .Values.backup.volume.existingClaim | default (printf "%s-backup" (include "postgres-ha.fullname" .)) }}
{{- end -}}

{{- define "postgres-ha.backupTls" -}}
{{ .Values.backup.tlsSecret | default (printf "%s-backup-tls" (include "postgres-ha.fullname" .)) }}
{{- end -}}

{{- define "postgres-ha.usesBackups" -}}
{{- if or .Values.backup.enabled .Values.restore.enabled }}true{{ end -}}
{{- end -}}

{{/* PostgreSQL takes these from Patroni's store only, since all members must agree on them. */}}
{{- define "postgres-ha.sharedParameters" -}}
["max_connections","max_locks_per_transaction","max_worker_processes","max_prepared_transactions","track_commit_timestamp","max_wal_senders","max_replication_slots","wal_keep_segments","wal_keep_size"]
{{- end -}}

{{/* What Patroni keeps in its store: read at bootstrap, sent again after each upgrade. */}}
{{- define "postgres-ha.dynamic" -}}
{{- $patroni := .Values.patroni -}}
{{- $synchronous := ne $patroni.replication "async" -}}
{{- $shared := include "postgres-ha.sharedParameters" . | fromJsonArray -}}
{{- $parameters := dict "wal_level" "replica" "hot_standby" "on" "wal_log_hints" "on" -}}
{{- range $key, $value := .Values.parameters -}}
{{- if has $key $shared }}{{ $_ := set $parameters $key (toString $value) }}{{ end -}}
{{- end -}}
{{- dict
  "ttl" (int $patroni.ttl)
  "loop_wait" (int $patroni.loopWait)
  "retry_timeout" (int $patroni.retryTimeout)
  "maximum_lag_on_failover" (int64 $patroni.maximumLagOnFailover)
  "synchronous_mode" $synchronous
  "synchronous_mode_strict" (eq $patroni.replication "strict")
  "synchronous_node_count" 1
  "failsafe_mode" true
  "check_timeline" true
  "primary_start_timeout" (ternary 0 60 $synchronous)
  "primary_stop_timeout" 60
  "postgresql" (dict "use_pg_rewind" true "use_slots" true "parameters" $parameters)
| toJson -}}
{{- end -}}

{{/* Settings of pgBackRest with, where there is one, the Secret that holds what must not be in a ConfigMap. */}}
{{- define "postgres-ha.pgbackrestVolume" -}}
- name: {{ .volume }}
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "postgres-ha.fullname" .root }}-settings
          items: [{key: {{ .settings }}, path: pgbackrest.conf}]
      {{- with .root.Values.backup.existingSecret }}
      - secret:
          name: {{ . }}
          items: [{key: pgbackrest.conf, path: conf.d/secret.conf}]
      {{- end }}
{{- end -}}

{{- define "postgres-ha.backupVolumes" -}}
{{ include "postgres-ha.pgbackrestVolume" (dict "root" .root "volume" "pgbackrest" "settings" .settings) }}
- name: pgbackrest-tls
  secret: {secretName: {{ include "postgres-ha.backupTls" .root }}, defaultMode: 0440}
{{- if eq .root.Values.backup.repository "volume" }}
- name: backup
  persistentVolumeClaim: {claimName: {{ include "postgres-ha.backupClaim" .root }}}
{{- end }}
{{- end -}}

{{- define "postgres-ha.backupMounts" -}}
- {name: pgbackrest, mountPath: /etc/pgbackrest, readOnly: true}
- {name: pgbackrest-tls, mountPath: /etc/pgbackrest-tls, readOnly: true}
{{- if eq .Values.backup.repository "volume" }}
- {name: backup, mountPath: /backup}
{{- end }}
{{- end -}}

{{/* The pods of `component` as a NetworkPolicyPeer, in JSON. */}}
{{- define "postgres-ha.peer" -}}
{{- $labels := include "postgres-ha.selector" .root | fromYaml -}}
{{- dict "podSelector" (dict "matchLabels" (set $labels "app.kubernetes.io/component" .component)) | toJson -}}
{{- end -}}

{{- define "postgres-ha.s3Port" -}}
{{- if and (include "postgres-ha.usesBackups" .) (eq .Values.backup.repository "s3") -}}
{{ regexFind ":[0-9]+$" .Values.backup.s3.endpoint | trimPrefix ":" | default "443" }}
{{- end -}}
{{- end -}}
