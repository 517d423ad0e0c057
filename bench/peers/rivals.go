package main

import (
	"fmt"
	"path/filepath"
)

// nginxConfig is a whole file around an http block: one worker, no logs unless a
// server has one, no path outside of dir.
func nginxConfig(dir, name, http string) string {
	return fmt.Sprintf(`daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %[1]s.pid;
error_log stderr crit;
events { worker_connections 19000; }
http {
access_log off;
client_body_temp_path %[1]s-body;
proxy_temp_path %[1]s-proxy;
fastcgi_temp_path %[1]s-fastcgi;
uwsgi_temp_path %[1]s-uwsgi;
scgi_temp_path %[1]s-scgi;
%[2]s}
`, filepath.Join(dir, name), http)
}

// startNginx starts an nginx that splits with split_clients: for the plain target
// by a value that differs with each request, for the sticky one by a cookie.
// Bodies stream both ways, as with the others. Its log is as cheap as it can be.
func startNginx(w *world, p peer) (*proxy, error) {
	to, err := w.newTargets()
	if err != nil {
		return nil, err
	}
	to.sticky.cookie = "uid=visitor-%d-of-nginx"
	accessLog, log, metrics := filepath.Join(w.dir, p.name+"-access.log"), "", ""
	if p.logs {
		log = fmt.Sprintf("access_log %s combined buffer=64k flush=1s;", accessLog)
		metrics = "http://" + to.plain.address + "/status"
	}
	server := func(address, version string) string {
		return fmt.Sprintf(`server {
  listen %s backlog=16384;
  %s
  location = /status { stub_status; access_log off; }
  location / { proxy_pass http://$%s; }
}
`, address, log, version)
	}
	file, err := w.write(p.name+".conf", nginxConfig(w.dir, p.name, fmt.Sprintf(`upstream blue { server %s; keepalive 128; keepalive_requests 1000000000; }
upstream green { server %s; keepalive 128; keepalive_requests 1000000000; }
split_clients "$connection-$connection_requests" $drawn { 10%% green; * blue; }
split_clients "$cookie_uid" $kept { 10%% green; * blue; }
keepalive_requests 1000000000;
client_max_body_size 0;
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header Host $host;
proxy_request_buffering off;
proxy_buffer_size 16k;
proxy_buffers 16 16k;
proxy_busy_buffers_size 64k;
proxy_max_temp_file_size 0;
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
ssl_protocols TLSv1.2 TLSv1.3;
%s%s%s`, w.blue, w.green, server(to.plain.address, "drawn"), server(to.sticky.address, "kept"), server(to.secure.address+" ssl http2", "drawn"))))
	if err != nil {
		return nil, err
	}
	started, err := w.launch(p, to, w.path("nginx"), "-c", file, "-e", "stderr")
	if err == nil && p.logs {
		started.accessLog, started.metrics = accessLog, metrics
	}
	return started, err
}

// startHAProxy starts a HAProxy that splits by server weights, and keeps clients
// by the cookie that it inserts. It has no buffered log of its own: it writes each
// line to its standard output, a file here.
func startHAProxy(w *world, p peer) (*proxy, error) {
	to, err := w.newTargets()
	if err != nil {
		return nil, err
	}
	log, metrics := "", ""
	if p.logs {
		log = "option httplog\n  log stdout format raw local0"
		metrics = "http://" + to.plain.address + "/metrics"
	}
	file, err := w.write(p.name+".cfg", fmt.Sprintf(`global
  maxconn 9850
  nbthread 1
defaults
  mode http
  %[6]s
  timeout connect 5s
  timeout client 5m
  timeout server 15s
  http-reuse always
frontend plain
  bind %[1]s
  http-request use-service prometheus-exporter if { path /metrics }
  default_backend plain
frontend sticky
  bind %[2]s
  default_backend sticky
frontend secure
  bind %[5]s ssl crt both.pem alpn h2,http/1.1
  default_backend plain
backend plain
  balance roundrobin
  server blue %[3]s weight 90
  server green %[4]s weight 10
backend sticky
  balance roundrobin
  cookie weir_id insert indirect nocache httponly
  server blue %[3]s weight 90 cookie blue
  server green %[4]s weight 10 cookie green
`, to.plain.address, to.sticky.address, w.blue, w.green, to.secure.address, log))
	if err != nil {
		return nil, err
	}
	started, err := w.launch(p, to, w.path("haproxy"), "-db", "-f", file)
	if err == nil && p.logs {
		started.accessLog, started.metrics = started.log, metrics
	}
	return started, err
}

// startCaddy starts a Caddy that splits by weighted round robin, and keeps clients
// by its signed cookie, which knows no weights.
func startCaddy(w *world, p peer) (*proxy, error) {
	to, err := w.newTargets()
	if err != nil {
		return nil, err
	}
	file, err := w.write("Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https off
	persist_config off
	log {
		level ERROR
	}
}
http://%s {
	bind 127.0.0.1
	reverse_proxy %[3]s %[4]s {
		lb_policy weighted_round_robin 9 1
	}
}
https://%[5]s {
	bind 127.0.0.1
	tls cert.pem key.pem
	reverse_proxy %[3]s %[4]s {
		lb_policy weighted_round_robin 9 1
	}
}
http://%[2]s {
	bind 127.0.0.1
	reverse_proxy %[3]s %[4]s {
		lb_policy cookie uid secret
	}
}
`, ":"+port(to.plain.address), ":"+port(to.sticky.address), w.blue, w.green, ":"+port(to.secure.address)))
	if err != nil {
		return nil, err
	}
	return w.launch(p, to, w.path("caddy"), "run", "--config", file, "--adapter", "caddyfile")
}
