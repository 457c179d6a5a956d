// Package grpc has the types of gRPC that arrow-go's Flight is declared with,
// and no transport: a client gets no connection and a server does not serve.
// Parquet's writer takes from Flight only how a schema is encoded.
package grpc

import (
	"context"
	"net"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ErrNotBuilt is what every connection and server gives.
var ErrNotBuilt = status.Error(codes.Unimplemented, "gRPC is not built into this program")

// SupportPackageIsVersion7 is asked for by generated code.
const SupportPackageIsVersion7 = true

type (
	// CallOption, DialOption and ServerOption are accepted: there is no call,
	// connection or server that they could change.
	CallOption   interface{ call() }
	DialOption   interface{ dial() }
	ServerOption interface{ server() }

	option struct{}

	// ClientConnInterface makes calls.
	ClientConnInterface interface {
		Invoke(ctx context.Context, method string, args, reply any, opts ...CallOption) error
		NewStream(ctx context.Context, desc *StreamDesc, method string, opts ...CallOption) (ClientStream, error)
	}

	// Stream, ClientStream and ServerStream are the two ends of a call.
	Stream interface {
		Context() context.Context
		SendMsg(m any) error
		RecvMsg(m any) error
	}
	ClientStream interface {
		Stream
		Header() (metadata.MD, error)
		Trailer() metadata.MD
		CloseSend() error
	}
	ServerStream interface {
		Stream
		SetHeader(metadata.MD) error
		SendHeader(metadata.MD) error
		SetTrailer(metadata.MD)
	}

	UnaryInvoker            func(ctx context.Context, method string, req, reply any, cc *ClientConn, opts ...CallOption) error
	UnaryClientInterceptor  func(ctx context.Context, method string, req, reply any, cc *ClientConn, invoker UnaryInvoker, opts ...CallOption) error
	Streamer                func(ctx context.Context, desc *StreamDesc, cc *ClientConn, method string, opts ...CallOption) (ClientStream, error)
	StreamClientInterceptor func(ctx context.Context, desc *StreamDesc, cc *ClientConn, method string, streamer Streamer,
		opts ...CallOption) (ClientStream, error)

	UnaryHandler            func(ctx context.Context, req any) (any, error)
	UnaryServerInterceptor  func(ctx context.Context, req any, info *UnaryServerInfo, handler UnaryHandler) (any, error)
	StreamHandler           func(srv any, stream ServerStream) error
	StreamServerInterceptor func(srv any, ss ServerStream, info *StreamServerInfo, handler StreamHandler) error

	UnaryServerInfo struct {
		Server     any
		FullMethod string
	}
	StreamServerInfo struct {
		FullMethod                     string
		IsClientStream, IsServerStream bool
	}

	// ServiceDesc and its parts are what generated code declares.
	ServiceDesc struct {
		ServiceName string
		HandlerType any
		Methods     []MethodDesc
		Streams     []StreamDesc
		Metadata    any
	}
	MethodDesc struct {
		MethodName string
		Handler    func(srv any, ctx context.Context, dec func(any) error, interceptor UnaryServerInterceptor) (any, error)
	}
	StreamDesc struct {
		StreamName                   string
		Handler                      StreamHandler
		ServerStreams, ClientStreams bool
	}
	ServiceInfo struct {
		Methods  []MethodInfo
		Metadata any
	}
	MethodInfo struct {
		Name                           string
		IsClientStream, IsServerStream bool
	}

	// ServiceRegistrar takes services.
	ServiceRegistrar interface {
		RegisterService(desc *ServiceDesc, impl any)
	}
)

func (option) call()   {}
func (option) dial()   {}
func (option) server() {}

func Header(*metadata.MD) CallOption                                   { return option{} }
func Trailer(*metadata.MD) CallOption                                  { return option{} }
func WithChainUnaryInterceptor(...UnaryClientInterceptor) DialOption   { return option{} }
func WithChainStreamInterceptor(...StreamClientInterceptor) DialOption { return option{} }
func ChainUnaryInterceptor(...UnaryServerInterceptor) ServerOption     { return option{} }
func ChainStreamInterceptor(...StreamServerInterceptor) ServerOption   { return option{} }

// ClientConn is a connection; there is none that works.
type ClientConn struct{}

// Dial gives ErrNotBuilt.
func Dial(string, ...DialOption) (*ClientConn, error) { return nil, ErrNotBuilt }

// NewClient gives ErrNotBuilt.
func NewClient(string, ...DialOption) (*ClientConn, error) { return nil, ErrNotBuilt }

func (*ClientConn) Invoke(context.Context, string, any, any, ...CallOption) error { return ErrNotBuilt }

func (*ClientConn) NewStream(context.Context, *StreamDesc, string, ...CallOption) (ClientStream, error) {
	return nil, ErrNotBuilt
}

func (*ClientConn) Close() error { return ErrNotBuilt }

// Server knows its services and serves none.
type Server struct{ services map[string]ServiceInfo }

// NewServer makes a Server whose Serve gives ErrNotBuilt.
func NewServer(...ServerOption) *Server { return &Server{services: map[string]ServiceInfo{}} }

// RegisterService adds a service to those that GetServiceInfo names.
func (s *Server) RegisterService(d *ServiceDesc, _ any) {
	info := ServiceInfo{Metadata: d.Metadata}
	for _, m := range d.Methods {
		info.Methods = append(info.Methods, MethodInfo{Name: m.MethodName})
	}
	for _, m := range d.Streams {
		info.Methods = append(info.Methods, MethodInfo{Name: m.StreamName, IsClientStream: m.ClientStreams, IsServerStream: m.ServerStreams})
	}
	s.services[d.ServiceName] = info
}

// GetServiceInfo gives the services by name.
func (s *Server) GetServiceInfo() map[string]ServiceInfo { return s.services }

// Serve gives ErrNotBuilt.
func (s *Server) Serve(net.Listener) error { return ErrNotBuilt }

func (s *Server) Stop() {}

func (s *Server) GracefulStop() {}
