{{/* Refuses what would not work or would be unsafe, before anything reaches the cluster. */}}
{{- define "aeterna.validate" -}}
{{- $values := .Values -}}
{{- $faults := list -}}

{{- if not $values.database.hosts -}}
{{- $faults = append $faults "database.hosts: name the members of PostgreSQL, each as host:port" -}}
{{- end -}}
{{- if not $values.database.secret -}}
{{- $faults = append $faults "database.secret: name the Secret with owner, app and control" -}}
{{- end -}}

{{- if eq $values.image.tag "latest" -}}
{{- $faults = append $faults "image.tag: latest is another image tomorrow; name a version or a digest" -}}
{{- end -}}

{{- $issuers := include "aeterna.issuers" . | fromJsonArray -}}
{{- $names := list -}}
{{- range $issuers -}}
{{- $names = append $names .issuer -}}
{{- if hasPrefix "http://" (.jwks_url | default "") -}}
{{- $faults = append $faults (printf "auth.issuers: the keys of %s come over plain HTTP, where anybody may replace them" .issuer) -}}
{{- end -}}
{{- if hasPrefix "/etc/aeterna/issuers/" (.jwks_file | default .jwks_ca_file | default "") -}}
{{- if not $values.auth.files -}}
{{- $faults = append $faults (printf "auth.files: %s reads a file from there" .issuer) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $issuers -}}
{{- $faults = append $faults "auth: no issuer is trusted, so nobody could call; set auth.issuers or auth.kubernetes.enabled" -}}
{{- end -}}
{{- if ne (len $names) (len (uniq $names)) -}}
{{- $faults = append $faults "auth.issuers: two issuers have the same name" -}}
{{- end -}}
{{- if and $values.auth.kubernetes.enabled (not $values.auth.kubernetes.subjects) -}}
{{- $faults = append $faults "auth.kubernetes.subjects: say which service account may do what" -}}
{{- end -}}

{{- $kms := $values.kms -}}
{{- if and $values.production (eq $kms.provider "local") -}}
{{- $faults = append $faults "production: kms.provider local keeps the keys in a Secret; name aws or vault" -}}
{{- end -}}
{{- if and (eq $kms.provider "local") $kms.keepKeyring -}}
{{- $faults = append $faults "kms.keepKeyring: the keyring is the provider itself; this is for a provider that follows it" -}}
{{- end -}}
{{- if and (ne $kms.provider "local") $kms.keyringSecret (not $kms.keepKeyring) -}}
{{- $faults = append $faults "kms.keyringSecret: only the provider local has one; until all tenants are rewrapped set kms.keepKeyring" -}}
{{- end -}}
{{- if and (eq $kms.provider "aws") (not $kms.aws.key) -}}
{{- $faults = append $faults "kms.aws.key: name the key that wraps" -}}
{{- end -}}
{{- if and (eq $kms.provider "aws") (not (or $kms.aws.region $kms.aws.endpointUrl (hasPrefix "arn:" $kms.aws.key))) -}}
{{- $faults = append $faults "kms.aws.region: where is the key?" -}}
{{- end -}}
{{- if and $kms.aws.roleArn $kms.aws.secret -}}
{{- $faults = append $faults "kms.aws: either roleArn or a Secret" -}}
{{- end -}}
{{- if and (eq $kms.provider "vault") (not (and $kms.vault.url $kms.vault.role)) -}}
{{- $faults = append $faults "kms.vault: url and role are needed" -}}
{{- end -}}
{{- range list $kms.vault.url $kms.aws.endpointUrl -}}
{{- if and $values.production (hasPrefix "http://" .) -}}
{{- $faults = append $faults "kms: keys would go over plain HTTP; production wants https" -}}
{{- end -}}
{{- end -}}

{{- if and (eq $values.wakeups.transport "redis") (not $values.wakeups.secret) -}}
{{- $faults = append $faults "wakeups.secret: the transport redis needs the Secret with its password or url" -}}
{{- end -}}

{{- if and $values.tls.secret $values.tls.certManager.enabled -}}
{{- $faults = append $faults "tls: either a Secret of your own or cert-manager's" -}}
{{- end -}}
{{- if and $values.tls.certManager.enabled (not $values.tls.certManager.issuer.name) -}}
{{- $faults = append $faults "tls.certManager.issuer.name: who signs?" -}}
{{- end -}}
{{- if and $values.tls.mutual (not (include "aeterna.tlsSecret" .)) -}}
{{- $faults = append $faults "tls.mutual: needs tls.secret or tls.certManager" -}}
{{- end -}}

{{- if and $values.planner.model (not $values.planner.baseUrl) -}}
{{- $faults = append $faults "planner: a model needs baseUrl" -}}
{{- end -}}
{{- with $values.embedding -}}
{{- if and (eq .provider "local") (not (has (int .dimensions) (list 64 128 256))) -}}
{{- $faults = append $faults "embedding.dimensions: the local model has 64, 128 and 256" -}}
{{- end -}}
{{- if and (eq .provider "openai") (not (and .baseUrl .model)) -}}
{{- $faults = append $faults "embedding: the provider openai needs baseUrl and model" -}}
{{- end -}}
{{- end -}}
{{- if and (eq $values.index.provider "qdrant") (not $values.index.url) -}}
{{- $faults = append $faults "index.url: the provider qdrant needs it" -}}
{{- end -}}

{{- if and $values.ingress.enabled (not (and $values.ingress.host $values.ingress.tlsSecret)) -}}
{{- $faults = append $faults "ingress: gRPC passes a controller with a host and TLS only; set host and tlsSecret" -}}
{{- end -}}

{{- range $name := include "aeterna.services" . | fromYaml | keys | sortAlpha -}}
{{- $service := get $values.services $name -}}
{{- if and (include "aeterna.autoscaled" $service) (not (dig "requests" "cpu" "" $service.resources)) -}}
{{- $faults = append $faults (printf "services.%s: autoscaling measures CPU against resources.requests.cpu, which is missing" $name) -}}
{{- end -}}
{{- range $variable, $_ := $service.env -}}
{{- if not (hasPrefix (printf "%s_" (upper $name)) $variable) -}}
{{- $faults = append $faults (printf "services.%s.env: %s is no variable of this service" $name $variable) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if $faults -}}
{{- fail (printf "\n- %s" (join "\n- " $faults)) -}}
{{- end -}}
{{- end }}
