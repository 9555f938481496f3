"""libtorrent for the benchmarks: makes a torrent, seeds it, fetches it.

    torrent.py make FILE TORRENT                   a v2-only torrent, as our contents are
    torrent.py seed TORRENT DIR LISTEN             says "ready PORT", then seeds until its stdin ends
    torrent.py fetch TORRENT DIR LISTEN PEER...    says "ready PORT"; on the line "go" it asks these peers and whoever
                                                   connects; says "done" and seeds until its stdin ends

LISTEN and PEER are HOST:PORT. Who seeds answers each line "bytes" with the bytes of the file that it has sent and
received, "SENT RECEIVED".

Needs libtorrent 2 with its Python bindings (pip install libtorrent, or python3-libtorrent). What could hold it
back is off: rate limits, encryption, uTP, discovery, unchoke slots; what could help it is on.
"""

import os
import sys
import time
import warnings

import libtorrent as lt

# 2.1 deprecates what 2.0 has nothing else for.
warnings.simplefilter("ignore", DeprecationWarning)


def session(listen):
    return lt.session({
        "listen_interfaces": listen,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "in_enc_policy": int(lt.enc_policy.disabled), "out_enc_policy": int(lt.enc_policy.disabled),
        "allow_multiple_connections_per_ip": True,
        "download_rate_limit": 0, "upload_rate_limit": 0,
        "connections_limit": 1000, "unchoke_slots_limit": -1, "choking_algorithm": 0,
        "hashing_threads": max(2, os.cpu_count() or 2), "aio_threads": 4,
        "max_out_request_queue": 1500, "max_allowed_in_request_queue": 4000,
        "send_buffer_watermark": 8 << 20, "send_buffer_low_watermark": 1 << 20,
        "send_buffer_watermark_factor": 200,
        "max_queued_disk_bytes": 64 << 20,
        "send_socket_buffer_size": 4 << 20, "recv_socket_buffer_size": 4 << 20,
        "alert_mask": int(lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
                          | lt.alert.category_t.storage_notification),
        "announce_to_all_trackers": False, "mixed_mode_algorithm": 0,
        "no_connect_privileged_ports": False, "torrent_connect_boost": 100, "connection_speed": 200,
        "peer_turnover": 0, "min_reconnect_time": 1, "allow_idna": False,
        "dont_count_slow_torrents": True, "active_seeds": -1,
    })


def add(ses, torrent, directory, is_seed):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = directory
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if is_seed:
        params.flags |= lt.torrent_flags.seed_mode
    handle = ses.add_torrent(params)
    while True:
        state = handle.status().state
        if state == lt.torrent_status.seeding or (not is_seed and state == lt.torrent_status.downloading):
            return handle
        time.sleep(0.01)


def make(path, torrent):
    storage = lt.file_storage()
    lt.add_files(storage, path)
    creator = lt.create_torrent(storage, 0, lt.create_torrent.v2_only)
    lt.set_piece_hashes(creator, os.path.dirname(os.path.abspath(path)))
    with open(torrent, "wb") as out:
        out.write(lt.bencode(creator.generate()))


def say(word):
    print(word, flush=True)


def answer(handle):
    for _question in sys.stdin:
        status = handle.status()
        say(f"{status.total_payload_upload} {status.total_payload_download}")


def seed(torrent, directory, listen):
    ses = session(listen)
    handle = add(ses, torrent, directory, True)
    say(f"ready {ses.listen_port()}")
    answer(handle)


def fetch(torrent, directory, listen, *peers):
    ses = session(listen)
    handle = add(ses, torrent, directory, False)
    handle.pause()  # nobody gives it anything before its time
    say(f"ready {ses.listen_port()}")
    sys.stdin.readline()
    handle.resume()
    for peer in peers:
        address, port = peer.rsplit(":", 1)
        handle.connect_peer((address, int(port)))
    is_flushing = False
    while True:
        ses.wait_for_alert(5)
        for alert in ses.pop_alerts():
            if isinstance(alert, (lt.file_error_alert, lt.torrent_error_alert)):
                sys.exit(str(alert))
            if isinstance(alert, lt.cache_flushed_alert) and is_flushing:
                say("done")
                return answer(handle)
        # Everything is verified now, but some of it may not be in the file yet (2.1 hashes what it has not written).
        if not is_flushing and handle.status().is_seeding:
            is_flushing = True
            handle.flush_cache()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("make", "seed", "fetch"):
        sys.exit(__doc__)
    globals()[sys.argv[1]](*sys.argv[2:])
