// Package install tests what installs Myelin: the kustomizations in config/ and the Helm chart in charts/myelin. There are two
// of them and one truth, so both are rendered, by kubectl and by Helm, and compared object by object.
package install
