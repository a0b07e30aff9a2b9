{{/* The names of the operator's objects begin with the release's name. */}}
{{- define "myelin.operator" -}}
{{ .Release.Name }}-operator
{{- end }}

{{- define "myelin.labels" -}}
app.kubernetes.io/name: myelin
app.kubernetes.io/component: operator
{{- end }}

{{- define "myelin.adapter" -}}
{{ .Release.Name }}-metrics-adapter
{{- end }}

{{- define "myelin.adapterLabels" -}}
app.kubernetes.io/name: myelin
app.kubernetes.io/component: metrics-adapter
{{- end }}

{{/* Where the operator works, unless it works everywhere: a comma between. */}}
{{- define "myelin.namespaces" -}}
{{ default (list .Release.Namespace) .Values.namespaces | join "," }}
{{- end }}

{{/* What the schema cannot say in a sentence. */}}
{{- define "myelin.validate" -}}
{{- if and .Values.clusterWide .Values.namespaces -}}
{{ fail "namespaces: set clusterWide to false to work only in these, or leave them out" }}
{{- end -}}
{{- if and .Values.metricsAdapter.enabled (not .Values.clusterWide) -}}
{{ fail "metricsAdapter: it answers for the whole cluster: install it with a release that has clusterWide" }}
{{- end -}}
{{- if and .Values.metricsAdapter.keda.clientCertificates (not .Values.metricsAdapter.keda.tlsSecret) -}}
{{ fail "metricsAdapter.keda.clientCertificates: clients are only known by TLS; name a Secret in metricsAdapter.keda.tlsSecret" }}
{{- end -}}
{{- if gt (len .Release.Name) 40 -}}
{{ fail "the release's name begins the names of its objects: choose one of at most 40 characters" }}
{{- end -}}
{{- end }}
