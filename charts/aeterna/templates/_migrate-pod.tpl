{{- define "aeterna.migratePod" -}}
metadata:
  labels:
    {{- include "aeterna.selector" . | nindent 4 }}
    app.kubernetes.io/component: migrate
    app.kubernetes.io/part-of: aeterna
spec:
  restartPolicy: OnFailure
  serviceAccountName: aeterna-migrate
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "aeterna.pullSecrets" . }}{{ . | nindent 2 }}{{ end }}
  securityContext:
    {{- include "aeterna.podSecurity" . | nindent 4 }}
  initContainers:
    - name: migrate
      image: {{ include "aeterna.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      # 6: the database is not there yet, which is usual while everything is being installed.
      command: [sh, -c]
      args:
        - |
          while :; do
            aeterna migrate && exit 0
            code=$?
            [ $code = 6 ] || exit $code
            sleep 2
          done
      env: &env
        - {name: AETERNA_DSN, value: {{ include "aeterna.dsn" . | quote }}}
        - name: AETERNA_DB_PASSWORD
          {{- include "aeterna.passwordFrom" (dict "root" . "role" "owner") | nindent 10 }}
      securityContext: &containerSecurity
        {{- include "aeterna.containerSecurity" . | nindent 8 }}
      resources: &resources
        requests: {cpu: 50m, memory: 128Mi}
        limits: {memory: 256Mi}
      volumeMounts: &volumeMounts
        - {name: tmp, mountPath: /tmp}
  containers:
    - name: register-shard
      image: {{ include "aeterna.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [python3, -c]
      args:
        - |
          {{- .Files.Get "files/register_shard.py" | nindent 10 }}
      env: *env
      securityContext: *containerSecurity
      resources: *resources
      volumeMounts: *volumeMounts
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end }}
