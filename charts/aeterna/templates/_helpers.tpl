{{/* The services in a fixed order: port, what each is called on the wire, and the port of WebSockets and pages. */}}
{{- define "aeterna.services" -}}
memory: {port: 50051, grpc: [aeterna.memory.v1.MemoryService, aeterna.memory.v1.MemorySettingsService, aeterna.memory.v1.MemoryMaintenanceService, google.longrunning.Operations]}
knowledge: {port: 50052, grpc: [aeterna.knowledge.v1.KnowledgeService]}
governance: {port: 50053, grpc: [aeterna.governance.v1.TenantService, aeterna.governance.v1.AuditService, aeterna.governance.v1.RoleService, aeterna.governance.v1.AgentService, aeterna.governance.v1.AuthorizationPolicyService, aeterna.governance.v1.AccessService, aeterna.governance.v1.ConstraintService, aeterna.governance.v1.ApprovalService, aeterna.governance.v1.KeyService, aeterna.governance.v1.KmsService, aeterna.governance.v1.ErasureService, aeterna.governance.v1.ConsentService, aeterna.governance.v1.ExportService, aeterna.governance.v1.CostService, aeterna.governance.v1.BudgetService, aeterna.governance.v1.AlertService, aeterna.governance.v1.AnomalyService]}
sync: {port: 50054, web: 8080, grpc: [aeterna.sync.v1.SyncService, aeterna.sync.v1.LiveService, aeterna.sync.v1.DocumentService]}
{{- end }}

{{- define "aeterna.selector" -}}
app.kubernetes.io/name: aeterna
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "aeterna.labels" -}}
{{ include "aeterna.selector" . }}
app.kubernetes.io/part-of: aeterna
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "aeterna.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end }}

{{/* The colour that takes the traffic: whatever the live Service selects. Helm only ever repeats it. */}}
{{- define "aeterna.liveColor" -}}
{{- $service := lookup "v1" "Service" .root.Release.Namespace .name | default dict -}}
{{- dig "spec" "selector" "aeterna.io/color" "blue" $service -}}
{{- end }}

{{/* The image of a colour: a Deployment that runs keeps its own, unless upgrades are made in place. */}}
{{- define "aeterna.colorImage" -}}
{{- $containers := dig "spec" "template" "spec" "containers" (list) .existing -}}
{{- $running := gt (int (dig "spec" "replicas" 0 .existing)) 0 -}}
{{- if and $running $containers (eq .root.Values.upgrade "blueGreen") -}}
{{- (first $containers).image -}}
{{- else -}}
{{- include "aeterna.image" .root -}}
{{- end -}}
{{- end }}

{{/* The scale of a colour: a release brings the idle one up and down, the autoscaler moves the live one. */}}
{{- define "aeterna.colorReplicas" -}}
{{- $current := int (dig "spec" "replicas" 0 .existing) -}}
{{- if not .live -}}
{{- $current -}}
{{- else if include "aeterna.autoscaled" .values -}}
{{- max $current (int .values.replicas) -}}
{{- else -}}
{{- .values.replicas -}}
{{- end -}}
{{- end }}

{{- define "aeterna.autoscaled" -}}
{{- if gt (int .autoscaling.maxReplicas) (int .replicas) }}true{{ end -}}
{{- end }}

{{- define "aeterna.dsn" -}}
postgresql://{{ join "," .Values.database.hosts }}/{{ .Values.database.name }}?target_session_attrs=read-write
{{- end }}

{{- define "aeterna.keyringSecret" -}}
{{ .Values.kms.keyringSecret | default "aeterna-keyring" }}
{{- end }}

{{/* Whether the keyring wraps tenants' keys, or did once. */}}
{{- define "aeterna.usesKeyring" -}}
{{- if or (eq .Values.kms.provider "local") .Values.kms.keepKeyring }}true{{ end -}}
{{- end }}

{{- define "aeterna.tlsSecret" -}}
{{ ternary "aeterna-tls" .Values.tls.secret .Values.tls.certManager.enabled }}
{{- end }}

{{/* The trusted issuers as the services read them: JSON, the cluster's own last. */}}
{{- define "aeterna.issuers" -}}
{{- $issuers := .Values.auth.issuers -}}
{{- with .Values.auth.kubernetes -}}
{{- if .enabled -}}
{{- $account := "/run/aeterna/kubernetes" -}}
{{- $subjects := dict -}}
{{- range $name, $grant := .subjects -}}
{{- $name = contains ":" $name | ternary $name (printf "%s:%s" $.Release.Namespace $name) -}}
{{- $_ := set $subjects (printf "system:serviceaccount:%s" $name) $grant -}}
{{- end -}}
{{- $issuers = append $issuers (dict
    "issuer" .issuer "audience" .audience "subjects" $subjects
    "jwks_url" "https://kubernetes.default.svc/openid/v1/jwks"
    "jwks_ca_file" (printf "%s/ca.crt" $account) "jwks_token_file" (printf "%s/token" $account)) -}}
{{- end -}}
{{- end -}}
{{- toJson $issuers -}}
{{- end }}

{{- define "aeterna.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end -}}
{{- end }}

{{- define "aeterna.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "aeterna.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "aeterna.passwordFrom" -}}
valueFrom: {secretKeyRef: {name: {{ .root.Values.database.secret }}, key: {{ .role }}}}
{{- end }}

{{- define "aeterna.seconds" -}}
PT{{ . }}S
{{- end }}

{{- define "aeterna.newKeyring" -}}
{{- $version := dict "id" uuidv4 "key" (randBytes 32) "created_at" (now | date "2006-01-02T15:04:05Z07:00") -}}
{{- dict "versions" (list $version) | toJson -}}
{{- end }}

{{/* Connections to PostgreSQL at full scale, while one service has both colours: each replica has a pool for the control
     database and one for the shard; governance has a second pair. */}}
{{- define "aeterna.peakConnections" -}}
{{- $all := 0 -}}
{{- $largest := 0 -}}
{{- range $name, $_ := include "aeterna.services" . | fromYaml -}}
{{- $values := get $.Values.services $name -}}
{{- $replicas := max (int $values.replicas) (int $values.autoscaling.maxReplicas) -}}
{{- $connections := mul $replicas (ternary 4 2 (eq $name "governance")) (int $.Values.database.poolSize) -}}
{{- $all = add $all $connections -}}
{{- $largest = max $largest $connections -}}
{{- end -}}
{{- add $all $largest -}}
{{- end }}
