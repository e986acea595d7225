// strict reads deployment files as those will who run them: compose files as docker compose does, custom resources
// as their operators do, unknown fields refused. It prints one sentence for each fault and ends with 1.
//
//	strict compose FILE...     the files as one project
//	strict resources FILE...   custom resources; what is not known here is left to others
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: strict compose|resources FILE...")
	}
	files := os.Args[2:]
	var err error
	if os.Args[1] == "compose" {
		err = compose(files)
	} else {
		err = resources(files)
	}
	if err != nil {
		fail(err.Error())
	}
}

func compose(files []string) error {
	options, err := cli.NewProjectOptions(files, cli.WithProfiles([]string{"*"}), cli.WithName("whaleline"))
	if err != nil {
		return err
	}
	_, err = options.LoadProject(context.Background())
	return err
}

func resources(files []string) error {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			if err := resource(document); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

func resource(document []byte) error {
	var head struct {
		Kind string `json:"kind"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	shapes := map[string]any{
		"ServiceMonitor":        &monitoring.ServiceMonitor{},
		"PodMonitor":            &monitoring.PodMonitor{},
		"PrometheusRule":        &monitoring.PrometheusRule{},
		"ScaledObject":          &keda.ScaledObject{},
		"TriggerAuthentication": &keda.TriggerAuthentication{},
	}
	if shape, known := shapes[head.Kind]; known {
		return yaml.UnmarshalStrict(document, shape)
	}
	return nil
}

func fail(words string) {
	fmt.Fprintln(os.Stderr, words)
	os.Exit(1)
}
