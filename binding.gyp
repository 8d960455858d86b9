# The addon, floor by floor: a file includes its own floor's folder or lower ones (ARCHITECTURE.md).
{
  "targets": [
    {
      "target_name": "sluice",
      "sources": [
        # F1
        "native/plan/address_set.cc",
        "native/plan/decode.cc",
        "native/plan/host_set.cc",
        "native/plan/plan.cc",
        "native/plan/state.cc",
        "native/net/acceptor.cc",
        "native/net/datagram.cc",
        "native/net/farewell.cc",
        "native/net/file.cc",
        "native/net/io_uring.cc",
        "native/net/ktls.cc",
        "native/net/ktls.cc",
        "native/net/listen.cc",
        "native/net/loop.cc",
        "native/net/peek.cc",
        "native/net/proxy_header.cc",
        "native/net/pump.cc",
        "native/net/ring.cc",
        "native/net/ring_trial.cc",
        "native/net/socket_address.cc",
        "native/net/stream.cc",
        "native/net/stream_ring.cc",
        "native/net/timer_wheel.cc",
        "native/net/waker.cc",
        # F2
        "native/balance/ejection.cc",
        "native/balance/hash.cc",
        "native/balance/ip_hash.cc",
        "native/balance/last_resort.cc",
        "native/balance/least_connections.cc",
        "native/balance/maglev.cc",
        "native/balance/pick.cc",
        "native/balance/power_of_two_choices.cc",
        "native/balance/random.cc",
        "native/balance/round_robin.cc",
        "native/http/answer.cc",
        "native/http/chunked.cc",
        "native/http/fields.cc",
        "native/http/forward.cc",
        "native/http/head.cc",
        "native/http/path.cc",
        "native/http/request.cc",
        "native/http/response.cc",
        "native/http/route.cc",
        "native/http/scan.cc",
        "native/policy/address_class.cc",
        "native/policy/decide.cc",
        "native/policy/destination.cc",
        "native/policy/page.cc",
        "native/socks/messages.cc",
        "native/tls/client_context.cc",
        "native/tls/client_facts.cc",
        "native/tls/client_hello.cc",
        "native/tls/credentials.cc",
        "native/tls/domain.cc",
        "native/tls/peer_certificate.cc",
        "native/tls/server_context.cc",
        "native/tls/session.cc",
        "native/tls/keyed_digest.cc",
        "native/tls/ticket_keys.cc",
        "native/tls/write_keys.cc",
        "native/tls/write_keys.cc",
        # F3
        "native/upstream/names.cc",
        "native/upstream/origins.cc",
        "native/upstream/target_pool.cc",
        "native/upstream/verdicts.cc",
        # F4
        "native/relay/access_log.cc",
        "native/relay/exchange.cc",
        "native/relay/front.cc",
        "native/relay/h1_body.cc",
        "native/relay/h1_client.cc",
        "native/relay/h1_upstream.cc",
        "native/relay/name_route.cc",
        "native/relay/target_tries.cc",
        "native/relay/tcp_relay.cc",
        "native/relay/tunnel.cc",
        "native/relay/udp_relay.cc",
        # F5
        "native/worker/engine.cc",
        "native/worker/listener.cc",
        "native/worker/log_writer.cc",
        "native/worker/tls_contexts.cc",
        "native/worker/worker.cc",
        # F6
        "native/addon/addon.cc"
      ],
      "include_dirs": ["native"],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_ADDON_API_ENABLE_MAYBE"
      ],
      # Node's common.gypi asks for gnu++17.
      "cflags_cc!": ["-std=gnu++17"],
      "cflags_cc": [
        "-std=gnu++20", "-O3", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-fno-plt",
        "-Wall", "-Wextra", "-Wshadow", "-Wconversion",
        # As system headers: their warnings are not ours.
        "-isystem", "<(module_root_dir)/<!(node -p \"require('node-addon-api').include_dir\")"
      ]
    }
  ]
}
