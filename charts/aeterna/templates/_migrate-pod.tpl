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
  containers:
    - name: migrate
      image: {{ include "aeterna.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      # 6: the database is not there yet, which is usual while everything is being installed.
      command: [sh, -c]
      args:
        - |
          while :; do
            aeterna migrate --shard main && exit 0
            code=$?
            [ $code = 6 ] || exit $code
            sleep 2
          done
      env:
        - {name: AETERNA_DSN, value: {{ include "aeterna.dsn" . | quote }}}
        - name: AETERNA_DB_PASSWORD
          {{- include "aeterna.passwordFrom" (dict "root" . "role" "owner") | nindent 10 }}
      securityContext:
        {{- include "aeterna.containerSecurity" . | nindent 8 }}
      resources:
        requests: {cpu: 50m, memory: 128Mi}
        limits: {memory: 256Mi}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end }}
