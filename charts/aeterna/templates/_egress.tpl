{{/* Where a service goes besides the database: the addresses that its values name. */}}
{{- define "aeterna.egress" -}}
{{- $values := .root.Values -}}
{{- $urls := list -}}
{{- range include "aeterna.issuers" .root | fromJsonArray -}}
{{- $urls = append $urls (.jwks_url | default "") -}}
{{- end -}}
{{- $urls = append $urls $values.tracing.endpoint -}}
{{- if eq $values.kms.provider "vault" -}}
{{- $urls = append $urls $values.kms.vault.url -}}
{{- end -}}
{{- if eq $values.kms.provider "aws" -}}
{{- $urls = append $urls ($values.kms.aws.endpointUrl | default "https://kms") -}}
{{- if not $values.kms.aws.secret -}}
{{- $urls = append $urls "https://sts" -}}
{{- end -}}
{{- end -}}
{{- if has .name (list "memory" "knowledge") -}}
{{- $urls = append $urls (ternary $values.embedding.baseUrl "" (eq $values.embedding.provider "openai")) -}}
{{- end -}}
{{- if eq .name "memory" -}}
{{- $urls = append $urls $values.planner.baseUrl -}}
{{- end -}}
{{- $ports := list -}}
{{- range compact $urls -}}
{{- $ports = append $ports (include "aeterna.port" .) -}}
{{- end -}}
{{- if $values.auth.kubernetes.enabled -}}
{{- $ports = append $ports "6443" -}}{{/* where an API server listens behind its Service */}}
{{- end -}}
{{- range $ports | uniq | sortAlpha }}
- ports: [{port: {{ . }}, protocol: TCP}]
{{- end }}
{{- if eq $values.wakeups.transport "redis" }}
- ports: [{port: 6379, protocol: TCP}, {port: 26379, protocol: TCP}]
  {{- with $values.networkPolicy.redis }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if and (eq $values.index.provider "qdrant") (has .name (list "memory" "knowledge")) }}
- ports: [{port: {{ include "aeterna.port" $values.index.url }}, protocol: TCP}]
  {{- with $values.networkPolicy.qdrant }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if eq .name "sync" }}
- ports: [{port: 50052, protocol: TCP}]
  to:
    - podSelector:
        matchLabels:
          {{- include "aeterna.selector" .root | nindent 10 }}
          app.kubernetes.io/component: knowledge
{{- end }}
{{- end }}

{{/* The port of a URL, by its scheme when it names none. */}}
{{- define "aeterna.port" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end }}
