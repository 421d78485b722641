// Asks a webhook as a Kubernetes API server does, with the API server's own code.
//
// usage: webhook URL AUDIENCES TOKEN...; prints one line of JSON for each token.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"
	"k8s.io/client-go/rest"
)

func main() {
	audiences := authenticator.Audiences{}
	if os.Args[2] != "" {
		audiences = strings.Split(os.Args[2], ",")
	}
	backoff := wait.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 1}
	asked, err := webhook.New(&rest.Config{Host: os.Args[1]}, "v1", audiences, backoff)
	if err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, token := range os.Args[3:] {
		ctx := context.Background()
		if len(audiences) > 0 {
			ctx = authenticator.WithAudiences(ctx, audiences)
		}
		answer := map[string]any{}
		response, ok, err := asked.AuthenticateToken(ctx, token)
		answer["ok"] = ok
		if err != nil {
			answer["error"] = err.Error()
		}
		if response != nil {
			answer["audiences"] = response.Audiences
			answer["name"] = response.User.GetName()
			answer["groups"] = response.User.GetGroups()
		}
		_ = out.Encode(answer)
	}
}
