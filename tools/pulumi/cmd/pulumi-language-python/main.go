// Command pulumi-language-python is a small Python language host for the Pulumi engine. It serves the engine's
// LanguageRuntime protocol and stands in for the official host, which the Go module proxy does not serve.
// It leaves out code generation, templates, type checkers and debuggers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"sophia-infra/tools/pulumi/internal/child"
)

// healthInterval is how often the engine is asked whether it lives. It is the second net: standard input closes
// at once when the engine ends.
const healthInterval = 10 * time.Second

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-python:", err)
		os.Exit(1)
	}
}

func serve() error {
	flag.String("root", "", "project root; accepted for older engines and not used")
	flag.String("tracing", "", "tracing endpoint; accepted and not used")
	flag.Parse()

	life, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	child.WhenParentEnds(end)
	runtimeHost := &host{life: life, end: end}
	if address := flag.Arg(0); address != "" {
		runtimeHost.setEngine(address)
		if err := rpcutil.Healthcheck(life, address, healthInterval, end); err != nil {
			return fmt.Errorf("could not watch the engine: %w", err)
		}
	}
	stop := make(chan bool)
	context.AfterFunc(life, func() { close(stop) })
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stop,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, runtimeHost)
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

// host answers the engine. Every process it starts ends with life.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	life context.Context
	end  context.CancelFunc

	lock   sync.Mutex
	engine string
}

func (h *host) setEngine(address string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.engine = address
}

func (h *host) engineAddress() string {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.engine
}

// bound returns a context that ends with the request and with the host.
func (h *host) bound(request context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(request)
	detach := context.AfterFunc(h.life, cancel)
	return ctx, func() {
		detach()
		cancel()
	}
}
