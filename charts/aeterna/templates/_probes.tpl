{{/* A pod is asked whether it answers, never whether a store does: restarting it would not bring one back, and taking
     it out of its Service would turn errors that say what is wrong into silence. The kubelet's gRPC probe speaks no
     TLS, so with TLS it only connects. */}}
{{- define "aeterna.probes" -}}
{{- $ask := printf "grpc: {port: %v}" .port -}}
{{- if include "aeterna.tlsSecret" .root -}}
{{- $ask = "tcpSocket: {port: grpc}" -}}
{{- end -}}
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
