{{/* Combinations that a schema cannot see and that would cost data or availability. */}}
{{- define "postgres-ha.validate" -}}
{{- $patroni := .Values.patroni -}}
{{- $members := int .Values.members -}}
{{- if gt (add $patroni.loopWait (mul 2 $patroni.retryTimeout)) (int64 $patroni.ttl) -}}
{{- fail (printf "patroni: loopWait (%v) + 2 * retryTimeout (%v) must not exceed ttl (%v): a primary that cannot renew its lease would step down too late" $patroni.loopWait $patroni.retryTimeout $patroni.ttl) -}}
{{- end -}}
{{- if and (eq $patroni.replication "strict") (lt $members 3) -}}
{{- fail (printf "patroni.replication: strict needs 3 members (members is %d): with fewer, losing one standby stops all writes" $members) -}}
{{- end -}}
{{- if and (eq $patroni.replication "sync") (lt $members 2) -}}
{{- fail "patroni.replication: sync needs 2 members at least; a single one is async" -}}
{{- end -}}
{{- if include "postgres-ha.ownEtcd" . -}}
{{- if eq (mod (int .Values.etcd.replicas) 2) 0 -}}
{{- fail (printf "etcd.replicas must be odd (it is %v): an even member adds a way to fail and no tolerance" .Values.etcd.replicas) -}}
{{- end -}}
{{- if and (gt $members 1) (lt (int .Values.etcd.replicas) 3) -}}
{{- fail (printf "etcd.replicas: %d members need 3, or the loss of one etcd makes PostgreSQL read-only; for small installations use dcs.type: kubernetes" $members) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.dcs.type "kubernetes") .Values.etcd.external.hosts -}}
{{- fail "etcd.external.hosts has no effect with dcs.type: kubernetes" -}}
{{- end -}}
{{- range $key := list "archive_command" "archive_library" "archive_mode" "archive_timeout" "restore_command" "wal_level" "hot_standby" "wal_log_hints" "synchronous_standby_names" "synchronous_commit" "fsync" "full_page_writes" "primary_conninfo" "primary_slot_name" "listen_addresses" "port" "cluster_name" "unix_socket_directories" "password_encryption" "shared_preload_libraries" -}}
{{- if hasKey $.Values.parameters $key -}}
{{- fail (printf "parameters.%s belongs to the chart or to Patroni: durability and failover rest on it" $key) -}}
{{- end -}}
{{- end -}}
{{- if include "postgres-ha.usesBackups" . -}}
{{- if eq .Values.backup.repository "s3" -}}
{{- if not (and .Values.backup.s3.bucket .Values.backup.s3.endpoint .Values.backup.existingSecret) -}}
{{- fail "backup.repository: s3 needs backup.s3.bucket, backup.s3.endpoint and backup.existingSecret" -}}
{{- end -}}
{{- else if and .Values.backup.enabled (gt $members 1) (eq .Values.backup.volume.accessMode "ReadWriteOnce") (eq .Values.spreadAcrossNodes "DoNotSchedule") -}}
{{- fail "backup.volume.accessMode: ReadWriteOnce cannot be mounted by members on several nodes (spreadAcrossNodes: DoNotSchedule); use ReadWriteMany or s3" -}}
{{- end -}}
{{- if and .Values.backup.encrypted (not .Values.backup.existingSecret) -}}
{{- fail "backup.encrypted needs repo1-cipher-pass in backup.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if .Values.restore.enabled -}}
{{- if not .Values.restore.path -}}
{{- fail "restore.path: name the backup path of the cluster to restore" -}}
{{- end -}}
{{- if and (eq .Values.backup.repository "volume") (not .Values.restore.claim) -}}
{{- fail "restore.claim: name the claim that holds the backups of the cluster to restore" -}}
{{- end -}}
{{- if and .Values.backup.enabled (eq .Values.restore.path (include "postgres-ha.backupPath" .)) (or (eq .Values.backup.repository "s3") (eq .Values.restore.claim (include "postgres-ha.backupClaim" .))) -}}
{{- fail "restore.path is this cluster's own backup path: it would archive into the repository that it was restored from" -}}
{{- end -}}
{{- end -}}
{{- end -}}
