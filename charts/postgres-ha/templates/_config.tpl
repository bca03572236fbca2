{{- define "postgres-ha.patroni" -}}
{{- $name := include "postgres-ha.fullname" . -}}
{{- $shared := include "postgres-ha.sharedParameters" . | fromJsonArray -}}
scope: {{ $name }}
{{- if eq .Values.dcs.type "etcd3" }}
namespace: /aeterna/{{ .Release.Namespace }}/
etcd3:
  hosts: {{ include "postgres-ha.etcdHosts" . }}
  {{- if and .Values.etcd.external.hosts .Values.etcd.external.tlsSecret }}
  protocol: https
  cacert: /etc/etcd-tls/ca.crt
  cert: /etc/etcd-tls/tls.crt
  key: /etc/etcd-tls/tls.key
  {{- end }}
{{- else }}
# Here it is a namespace of Kubernetes, with etcd a prefix of keys.
namespace: {{ .Release.Namespace }}
kubernetes:
  use_endpoints: false
  scope_label: aeterna.io/cluster
  role_label: aeterna.io/role
  leader_label_value: primary
  follower_label_value: replica
  labels:
    {{- include "postgres-ha.selector" . | nindent 4 }}
    app.kubernetes.io/component: postgres
{{- end }}
restapi:
  listen: 0.0.0.0:8008
log:
  level: INFO
bootstrap:
  dcs: {{ include "postgres-ha.dynamic" . }}
  {{- if .Values.restore.enabled }}
  method: restore
  restore:
    command: /bin/sh /etc/patroni/restore.sh
    keep_existing_recovery_conf: true
    no_params: true
  {{- end }}
  # The built-in collation is the same on every C library: an index stays valid on a newer image.
  initdb:
    - encoding: UTF8
    - locale-provider: builtin
    - builtin-locale: C.UTF-8
    - locale: C
    - data-checksums
  post_bootstrap: /bin/sh /etc/patroni/post-bootstrap.sh
postgresql:
  listen: 0.0.0.0:5432
  use_unix_socket: true
  data_dir: /var/lib/postgresql/data/pgdata
  bin_dir: /usr/lib/postgresql/17/bin
  pgpass: /tmp/pgpass
  # A folder that pg_rewind left half done is a copy of nothing. With strict replication the primary has every commit
  # that was acknowledged, and the member is copied anew by itself; else somebody has to look first.
  remove_data_directory_on_rewind_failure: {{ eq .Values.patroni.replication "strict" }}
  remove_data_directory_on_diverged_timelines: false
  {{- if eq .Values.dcs.type "etcd3" }}
  callbacks:
    on_start: python3 -I /etc/patroni/label_role.py
    on_role_change: python3 -I /etc/patroni/label_role.py
  {{- end }}
  basebackup:
    - checkpoint: fast
  pg_hba:
    - local all all scram-sha-256
    - host replication replication all scram-sha-256
    # The superuser works inside its pod only; whoever else needs more than a role has uses the socket.
    - host all postgres all reject
    - host all all all scram-sha-256
  parameters:
    unix_socket_directories: /run/postgresql
    password_encryption: scram-sha-256
    logging_collector: "off"
    {{- if .Values.backup.enabled }}
    archive_mode: "on"
    archive_command: pgbackrest --stanza=main archive-push %p
    archive_timeout: {{ .Values.backup.archiveTimeout | quote }}
    {{- end }}
    {{- range $key, $value := .Values.parameters }}
    {{- if not (has $key $shared) }}
    {{ $key }}: {{ $value | toString | quote }}
    {{- end }}
    {{- end }}
  {{- if .Values.backup.enabled }}
  # For a standby that needs WAL which the primary has recycled.
  recovery_conf:
    restore_command: pgbackrest --stanza=main archive-get %f "%p"
  {{- end }}
watchdog:
  mode: "off"
{{- end -}}

{{/* The repository of pgBackRest: `path` in it, mounted at `mount` when it is a volume. */}}
{{- define "postgres-ha.repository" -}}
{{- $backup := .root.Values.backup -}}
[global]
{{- if eq $backup.repository "s3" }}
repo1-type=s3
repo1-path={{ .path }}
repo1-s3-bucket={{ $backup.s3.bucket }}
repo1-s3-endpoint={{ $backup.s3.endpoint }}
repo1-s3-region={{ $backup.s3.region }}
repo1-s3-uri-style={{ $backup.s3.uriStyle }}
repo1-storage-verify-tls={{ ternary "y" "n" $backup.s3.verifyTls }}
{{- else }}
repo1-path={{ .mount }}{{ .path }}
{{- end }}
{{- if $backup.encrypted }}
repo1-cipher-type=aes-256-cbc
{{- end }}
repo1-bundle=y
compress-type=zst
process-max=2
log-level-console=info
log-level-file=off
lock-path=/tmp/pgbackrest
spool-path=/tmp/pgbackrest-spool
{{- end -}}

{{- define "postgres-ha.pgbackrest.member" -}}
{{ include "postgres-ha.repository" (dict "root" . "path" (include "postgres-ha.backupPath" .) "mount" "/backup") }}
tls-server-address=*
tls-server-ca-file=/etc/pgbackrest-tls/ca.crt
tls-server-cert-file=/etc/pgbackrest-tls/tls.crt
tls-server-key-file=/etc/pgbackrest-tls/tls.key
tls-server-auth=backup=main

[global:archive-push]
archive-async=y

[main]
pg1-path=/var/lib/postgresql/data/pgdata
pg1-socket-path=/run/postgresql
pg1-user=postgres
{{- end -}}

{{- define "postgres-ha.pgbackrest.job" -}}
{{ include "postgres-ha.repository" (dict "root" . "path" (include "postgres-ha.backupPath" .) "mount" "/backup") }}
repo1-retention-full={{ .Values.backup.retentionFull }}
start-fast=y
{{- if gt (int .Values.members) 1 }}
backup-standby=prefer
{{- end }}

[main]
{{- range $index, $host := include "postgres-ha.members" . | fromJsonArray }}
{{- $pg := printf "pg%d" (add1 $index) }}
{{ $pg }}-host={{ $host }}
{{ $pg }}-host-type=tls
{{ $pg }}-host-ca-file=/etc/pgbackrest-tls/ca.crt
{{ $pg }}-host-cert-file=/etc/pgbackrest-tls/tls.crt
{{ $pg }}-host-key-file=/etc/pgbackrest-tls/tls.key
{{ $pg }}-path=/var/lib/postgresql/data/pgdata
{{ $pg }}-socket-path=/run/postgresql
{{ $pg }}-user=postgres
{{- end }}
{{- end -}}

{{- define "postgres-ha.pgbackrest.source" -}}
{{ include "postgres-ha.repository" (dict "root" . "path" .Values.restore.path "mount" "/restore") }}

[main]
pg1-path=/var/lib/postgresql/data/pgdata
{{- end -}}
