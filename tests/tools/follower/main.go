// Follow captures as controllers do: with an informer of client-go, or with its RetryWatcher.
//
// Every request and every event is a line of JSON on stdout, in the order in which they happen. The line `state` on
// stdin asks for all that the informer's cache holds; the end of stdin ends the program.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	toolswatch "k8s.io/client-go/tools/watch"
)

var resource = schema.GroupVersionResource{Group: "projectcalico.org", Version: "v3", Resource: "packetcaptures"}

// line is something that has happened. Its type is one of
//
//   - request: answered with a code, 0 where there was no answer
//   - synced: the cache is filled, and all that was there at first has been an event
//   - add, update, delete: of one object; `was` is the version that an update replaces, and `unseen` says of a
//     delete that only its result was seen
//   - state: `items` is the whole cache
//   - error, end: of a RetryWatcher
type line struct {
	Type    string  `json:"type"`
	URI     string  `json:"uri,omitempty"`
	Code    int     `json:"code,omitempty"`
	Key     string  `json:"key,omitempty"`
	UID     string  `json:"uid,omitempty"`
	Version string  `json:"version,omitempty"`
	Was     string  `json:"was,omitempty"`
	Unseen  bool    `json:"unseen,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Items   []any   `json:"items,omitempty"`
}

// output writes lines, from any goroutine.
type output struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (o *output) write(l line) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if err := o.encoder.Encode(l); err != nil {
		fail(err) // Nobody reads any more.
	}
}

// event returns the line of an object, or of what a cache has left of one.
func event(kind string, object any) line {
	l := line{Type: kind}
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		l.Unseen, object = true, gone.Obj
	}
	about, err := meta.Accessor(object)
	if err != nil {
		fail(err)
	}
	l.Key = about.GetNamespace() + "/" + about.GetName()
	l.UID, l.Version = string(about.GetUID()), about.GetResourceVersion()
	return l
}

// transport writes a line for each request that is answered, or fails.
type transport struct {
	next   http.RoundTripper
	output *output
}

func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	l := line{Type: "request", URI: request.URL.RequestURI()}
	if err == nil {
		l.Code = response.StatusCode
	}
	t.output.write(l)
	return response, err
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API")
	namespace := flag.String("namespace", "", "the namespace to follow; all, if empty")
	onlyMetadata := flag.Bool("metadata", false, "follow nothing but the metadata of objects")
	after := flag.String("after", "", "have no cache: a RetryWatcher begins after this resourceVersion")
	flag.Parse()
	ctx, stop := context.WithCancel(context.Background())
	out := &output{encoder: json.NewEncoder(os.Stdout)}
	captures, err := open(ctx, *kubeconfig, *namespace, *onlyMetadata, out)
	if err != nil {
		fail(err)
	}
	var running sync.WaitGroup
	held := cache.NewStore(cache.MetaNamespaceKeyFunc)
	if *after == "" {
		informer := newInformer(captures, *onlyMetadata, out)
		held = informer.GetStore()
		running.Go(func() { informer.Run(ctx.Done()) })
	} else {
		running.Go(func() { watchAfter(ctx, captures, *after, out) })
	}
	answer(held, out)
	stop()
	running.Wait()
}

// open returns the captures of a namespace, or of all, to list and to watch.
func open(ctx context.Context, kubeconfig, namespace string, onlyMetadata bool, out *output) (*cache.ListWatch, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return transport{next, out} })
	if onlyMetadata {
		client, err := metadata.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		return listWatch(ctx, client.Resource(resource).Namespace(namespace)), nil
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return listWatch(ctx, client.Resource(resource).Namespace(namespace)), nil
}

// client is either of client-go's clients that know no types.
type client[List runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (List, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// listWatch is what dynamicinformer and metadatainformer have inside. Those two come with the typed clients of all of
// Kubernetes, which would double what is built here.
func listWatch[List runtime.Object](ctx context.Context, from client[List]) *cache.ListWatch {
	return &cache.ListWatch{
		ListFunc: func(options metav1.ListOptions) (runtime.Object, error) {
			return from.List(ctx, options)
		},
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
			return from.Watch(ctx, options)
		},
	}
}

// newInformer returns an informer, still to be run, whose events are written.
func newInformer(captures cache.ListerWatcher, onlyMetadata bool, out *output) cache.SharedIndexInformer {
	var example runtime.Object = &unstructured.Unstructured{}
	if onlyMetadata {
		example = &metav1.PartialObjectMetadata{}
	}
	informer := cache.NewSharedIndexInformer(captures, example, 0, cache.Indexers{})
	begun := time.Now()
	handled, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { out.write(event("add", object)) },
		DeleteFunc: func(object any) { out.write(event("delete", object)) },
		UpdateFunc: func(before, object any) {
			l := event("update", object)
			l.Was = event("", before).Version
			out.write(l)
		},
	})
	if err != nil {
		fail(err)
	}
	go func() {
		cache.WaitForCacheSync(nil, handled.HasSynced)
		out.write(line{Type: "synced", Seconds: time.Since(begun).Seconds()})
	}()
	return informer
}

// watchAfter writes what a RetryWatcher sees, until it gives up or the context ends.
func watchAfter(ctx context.Context, captures cache.Watcher, version string, out *output) {
	watcher, err := toolswatch.NewRetryWatcher(version, captures)
	if err != nil {
		fail(err)
	}
	defer watcher.Stop()
	kinds := map[watch.EventType]string{watch.Added: "add", watch.Modified: "update", watch.Deleted: "delete"}
	for {
		select {
		case <-ctx.Done():
			return
		case seen, more := <-watcher.ResultChan():
			switch {
			case !more:
				out.write(line{Type: "end"})
				return
			case seen.Type == watch.Error:
				status := apierrors.FromObject(seen.Object)
				out.write(line{Type: "error", Reason: string(apierrors.ReasonForError(status))})
			default:
				out.write(event(kinds[seen.Type], seen.Object))
			}
		}
	}
}

// answer returns at the end of stdin.
func answer(held cache.Store, out *output) {
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		if commands.Text() != "state" {
			fail(fmt.Errorf("unknown command %q", commands.Text()))
		}
		out.write(line{Type: "state", Items: held.List()})
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
