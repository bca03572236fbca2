{{/* The environment of a service. docs/settings.md has each variable; tests/architecture/test_charts.py builds the
     service's own Settings from what is rendered here. */}}
{{- define "aeterna.env" -}}
{{- $prefix := upper .name -}}
{{- $values := .root.Values -}}
{{- $role := ternary "control" "app" (eq .name "governance") -}}
- {name: {{ $prefix }}_PLATFORM__CONTROL__DSN, value: {{ include "aeterna.dsn" .root | quote }}}
- {name: {{ $prefix }}_PLATFORM__CONTROL__USER, value: aeterna_{{ $role }}}
- name: {{ $prefix }}_PLATFORM__CONTROL__PASSWORD
  {{- include "aeterna.passwordFrom" (dict "root" .root "role" $role) | nindent 2 }}
- {name: {{ $prefix }}_PLATFORM__CONTROL__POOL_SIZE, value: {{ $values.database.poolSize | quote }}}
- {name: {{ $prefix }}_PLATFORM__AUTH__ISSUERS, value: {{ include "aeterna.issuers" .root | quote }}}
- {name: {{ $prefix }}_PLATFORM__AUTH__PRODUCTION, value: {{ $values.production | quote }}}
{{- include "aeterna.kmsEnv" (dict "prefix" $prefix "root" .root) }}
- {name: {{ $prefix }}_PLATFORM__WAKEUPS__TRANSPORT, value: {{ $values.wakeups.transport }}}
{{- if eq $values.wakeups.transport "redis" }}
{{- with $values.wakeups.sentinels }}
- {name: {{ $prefix }}_PLATFORM__WAKEUPS__SENTINELS, value: {{ join "," . | quote }}}
- name: {{ $prefix }}_PLATFORM__WAKEUPS__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $values.wakeups.secret }}, key: password}}
{{- else }}
- name: {{ $prefix }}_PLATFORM__WAKEUPS__REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ $values.wakeups.secret }}, key: url}}
{{- end }}
{{- end }}
{{- with $values.tracing.endpoint }}
- {name: {{ $prefix }}_PLATFORM__TRACING__ENDPOINT, value: {{ . | quote }}}
- {name: {{ $prefix }}_PLATFORM__TRACING__SAMPLE_RATIO, value: {{ $values.tracing.sampleRatio | quote }}}
{{- end }}
{{- if $values.prices.versions }}
- {name: {{ $prefix }}_PLATFORM__PRICES__TABLE__CURRENCY, value: {{ $values.prices.currency }}}
- {name: {{ $prefix }}_PLATFORM__PRICES__TABLE__VERSIONS, value: {{ toJson $values.prices.versions | quote }}}
{{- end }}
- {name: {{ $prefix }}_PLATFORM__LOG_LEVEL, value: {{ $values.logLevel }}}
- {name: {{ $prefix }}_SERVER__ADDRESS, value: "0.0.0.0:{{ .port }}"}
{{- with .web }}
- {name: {{ $prefix }}_WEB__ADDRESS, value: "0.0.0.0:{{ . }}"}
- {name: {{ $prefix }}_WEB__CONNECTIONS, value: {{ $values.web.connections | int64 | quote }}}
{{- with $values.web.origins }}
- {name: {{ $prefix }}_WEB__ORIGINS, value: {{ toJson . | quote }}}
{{- end }}
{{- end }}
- {name: {{ $prefix }}_SERVER__MAX_CONNECTION_AGE, value: {{ include "aeterna.seconds" $values.connectionAgeSeconds }}}
{{- with $values.callsPerSecond }}
- {name: {{ $prefix }}_SERVER__CALLS_PER_SECOND, value: {{ . | quote }}}
{{- end }}
- {name: {{ $prefix }}_SERVER__DRAIN_DELAY, value: {{ include "aeterna.seconds" $values.drainSeconds }}}
- {name: {{ $prefix }}_SERVER__SHUTDOWN_GRACE, value: {{ include "aeterna.seconds" $values.graceSeconds }}}
{{- if include "aeterna.tlsSecret" .root }}
- {name: {{ $prefix }}_SERVER__TLS__CERTIFICATE, value: /run/aeterna/tls/tls.crt}
- {name: {{ $prefix }}_SERVER__TLS__KEY, value: /run/aeterna/tls/tls.key}
- {name: {{ $prefix }}_SERVER__HEALTH_PORT, value: {{ include "aeterna.probedPort" . | quote }}}
{{- if $values.tls.mutual }}
- {name: {{ $prefix }}_SERVER__TLS__CLIENT_CA, value: /run/aeterna/tls/ca.crt}
{{- end }}
{{- end }}
{{- if has .name (list "memory" "knowledge") }}
{{- include "aeterna.retrievalEnv" (dict "prefix" $prefix "values" $values) }}
{{- end }}
{{- if eq .name "governance" }}
{{- with $values.webhookNetworks }}
- {name: GOVERNANCE_WEBHOOK_NETWORKS, value: {{ toJson . | quote }}}
{{- end }}
{{- end }}
{{- if eq .name "sync" }}
{{- include "aeterna.knowledgeEnv" .root }}
{{- end }}
{{- range $name, $value := (get $values.services .name).env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{/* Where the sync service saves documents: it calls the knowledge service in the name of whoever saves. */}}
{{- define "aeterna.knowledgeEnv" }}
- {name: SYNC_KNOWLEDGE__ADDRESS, value: "knowledge-headless:50052"}
{{- if include "aeterna.tlsSecret" . }}
- {name: SYNC_KNOWLEDGE__ENCRYPTED, value: "true"}
- {name: SYNC_KNOWLEDGE__CA, value: /run/aeterna/tls/ca.crt}
- {name: SYNC_KNOWLEDGE__SERVER_NAME, value: knowledge}
{{- if .Values.tls.mutual }}
- {name: SYNC_KNOWLEDGE__CERTIFICATE, value: /run/aeterna/tls/tls.crt}
- {name: SYNC_KNOWLEDGE__KEY, value: /run/aeterna/tls/tls.key}
{{- end }}
{{- end }}
{{- end }}

{{- define "aeterna.kmsEnv" -}}
{{- $prefix := printf "%s_PLATFORM__KMS_" .prefix }}
{{- $kms := .root.Values.kms }}
- {name: {{ $prefix }}_PROVIDER, value: {{ $kms.provider }}}
- {name: {{ $prefix }}_OUTAGE_GRACE, value: {{ include "aeterna.seconds" $kms.outageGraceSeconds }}}
{{- if eq $kms.provider "local" }}
- {name: {{ $prefix }}_KEYRING, value: /run/aeterna/keyring/keyring.json}
{{- else if $kms.keepKeyring }}
- {name: {{ $prefix }}_PREVIOUS__PROVIDER, value: local}
- {name: {{ $prefix }}_PREVIOUS__KEYRING, value: /run/aeterna/keyring/keyring.json}
{{- end }}
{{- if eq $kms.provider "aws" }}
- {name: {{ $prefix }}_AWS__KEY, value: {{ $kms.aws.key | quote }}}
{{- with $kms.aws.region }}
- {name: {{ $prefix }}_AWS__REGION, value: {{ . }}}
{{- end }}
{{- with $kms.aws.endpointUrl }}
- {name: {{ $prefix }}_AWS__ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- with $kms.aws.secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: access-key-id}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret-access-key}}
{{- end }}
{{- end }}
{{- if eq $kms.provider "vault" }}
- {name: {{ $prefix }}_VAULT__URL, value: {{ $kms.vault.url | quote }}}
- {name: {{ $prefix }}_VAULT__KEY, value: {{ $kms.vault.key }}}
- {name: {{ $prefix }}_VAULT__MOUNT, value: {{ $kms.vault.mount }}}
{{- with $kms.vault.namespace }}
- {name: {{ $prefix }}_VAULT__NAMESPACE, value: {{ . }}}
{{- end }}
- {name: {{ $prefix }}_VAULT__KUBERNETES_ROLE, value: {{ $kms.vault.role }}}
- {name: {{ $prefix }}_VAULT__KUBERNETES_MOUNT, value: {{ $kms.vault.loginMount }}}
- {name: {{ $prefix }}_VAULT__KUBERNETES_TOKEN_FILE, value: /run/aeterna/vault/token}
{{- if $kms.vault.ca }}
- {name: {{ $prefix }}_VAULT__CA_FILE, value: /run/aeterna/vault/ca.crt}
{{- end }}
{{- end }}
{{- end }}

{{- define "aeterna.retrievalEnv" -}}
{{- $prefix := .prefix }}
{{- with .values.embedding }}
- {name: {{ $prefix }}_EMBEDDING__PROVIDER, value: {{ .provider }}}
- {name: {{ $prefix }}_EMBEDDING__DIMENSIONS, value: {{ .dimensions | quote }}}
{{- if eq .provider "openai" }}
- {name: {{ $prefix }}_EMBEDDING__BASE_URL, value: {{ .baseUrl | quote }}}
- {name: {{ $prefix }}_EMBEDDING__MODEL, value: {{ .model | quote }}}
{{- with .trained }}
- {name: {{ $prefix }}_EMBEDDING__TRAINED, value: {{ toJson . | quote }}}
{{- end }}
{{- if not .shorten }}
- {name: {{ $prefix }}_EMBEDDING__SHORTEN, value: "false"}
{{- end }}
{{- with .textsPerMinute }}
- {name: {{ $prefix }}_EMBEDDING__TEXTS_PER_MINUTE, value: {{ int64 . | quote }}}
{{- end }}
{{- with .secret }}
- name: {{ $prefix }}_EMBEDDING__API_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: api-key}}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq $prefix "MEMORY") .values.planner.model }}
{{- with .values.planner }}
- {name: MEMORY_PLANNER__BASE_URL, value: {{ .baseUrl | quote }}}
- {name: MEMORY_PLANNER__MODEL, value: {{ .model | quote }}}
{{- with .secret }}
- name: MEMORY_PLANNER__API_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: api-key}}
{{- end }}
{{- end }}
{{- end }}
{{- with .values.index }}
- {name: {{ $prefix }}_INDEX__PROVIDER, value: {{ .provider }}}
{{- if eq .provider "qdrant" }}
- {name: {{ $prefix }}_INDEX__URL, value: {{ .url | quote }}}
{{- with .secret }}
- name: {{ $prefix }}_INDEX__API_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: api-key}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
