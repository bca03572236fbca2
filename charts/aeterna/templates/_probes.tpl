{{/* A pod is asked whether it answers, never whether a store does: restarting it would not bring one back, and taking
     it out of its Service would turn errors that say what is wrong into silence. The kubelet's gRPC probe speaks no
     TLS, so with TLS the service also tells its health, and nothing else, on a plain port, which only the node reaches.
     A command instead would start an interpreter for each probe, about a second of CPU, and would need a certificate
     for the pod's own address. */}}
{{- define "aeterna.probes" -}}
{{- $ask := printf "grpc: {port: %s}" (include "aeterna.probedPort" .) -}}
startupProbe:
  {{ $ask }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  {{ $ask }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  {{ $ask }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{- define "aeterna.probedPort" -}}
{{ if include "aeterna.tlsSecret" .root }}9091{{ else }}{{ .port }}{{ end }}
{{- end }}
