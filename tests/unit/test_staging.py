"""Remote files are copied whole or not at all, in bounded reads, once."""

from __future__ import annotations

import http.server
import pathlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from flanjax.engine import staging
from flanjax.engine.staging import StageCounts, stage

FILES = {f"shard/{size}": bytes(range(65, 65 + size)) for size in (0, 3, 4, 5, 8, 9)}
"""With reads of four bytes: none, less than one, one, one and a rest, two, two and a rest."""
NUM_READS = 1 + 1 + 1 + 2 + 2 + 3

Put = Callable[[str, bytes], None]


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four bytes a read, one retry, and a store that no other test has written to."""
    monkeypatch.setattr(staging, "READ_BYTES", 4)
    retries = {"max_retries": 1, "initial_delay": "1ms", "max_delay": "1ms"}
    monkeypatch.setattr(staging, "RETRIES", retries)
    staging._context.cache_clear()
    yield
    staging._context.cache_clear()


class Server(http.server.ThreadingHTTPServer):
    """Files by path, in ranges; `before` is called as each request is answered."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.before: Callable[[str], object] = lambda path: None
        self.url = f"http://127.0.0.1:{self.server_port}/cache"

    def put(self, name: str, content: bytes) -> None:
        self.files[f"/cache/{name}"] = content

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that have gone."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.before(self.path)
        content = self.server.files.get(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if content is None:
            self._answer(403 if "secret" in self.path else 404, b"")
        elif asked is None:
            self._answer(200, content)
        elif int(asked[1]) >= len(content):
            self._answer(416, b"", f"bytes */{len(content)}")
        else:
            start, stop = int(asked[1]), int(asked[2] or len(content) - 1) + 1
            body = content[start:stop]
            place = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
            self._answer(206, body, place)

    def _answer(self, code: int, body: bytes, place: str | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if place:
            self.send_header("Content-Range", place)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(timeout=10)


@pytest.fixture(params=["memory", "http"])
def remote(request: pytest.FixtureRequest) -> tuple[str, Put]:
    """The URL of a store, and what puts a file below it."""
    if request.param == "http":
        server = request.getfixturevalue("server")
        return server.url, server.put
    store = staging.open_store("memory://cache")
    return "memory://cache", lambda name, content: store.write(name, content).result()


def memory(files: dict[str, bytes]) -> str:
    store = staging.open_store("memory://cache/")
    for name, content in files.items():
        store[name] = content
    return "memory://cache/"


def files_below(folder: pathlib.Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("has_sizes", [True, False])
def test_files_are_copied_byte_for_byte_in_ranges(
    tmp_path: pathlib.Path, remote: tuple[str, Put], has_sizes: bool
) -> None:
    url, put = remote
    for name, content in FILES.items():
        put(name, content)
    sizes = {name: len(content) for name, content in FILES.items()} if has_sizes else None
    counts = stage(url, list(FILES), tmp_path / "new", sizes=sizes)
    assert files_below(tmp_path / "new") == FILES
    assert counts[:3] == (6, 29, NUM_READS)
    assert 0 < counts.seconds < 60


@pytest.mark.parametrize("has_sizes", [True, False])
def test_a_file_of_the_right_size_is_kept_and_another_is_copied_again(
    tmp_path: pathlib.Path, remote: tuple[str, Put], has_sizes: bool
) -> None:
    url, put = remote
    for name, content in FILES.items():
        put(name, content)
    (tmp_path / "shard").mkdir()
    for size, here in ((0, 0), (3, 3), (4, 4), (5, 4), (8, 9), (9, 9)):
        (tmp_path / f"shard/{size}").write_bytes(b"-" * here)
    sizes = {name: len(content) for name, content in FILES.items()} if has_sizes else None
    counts = stage(url, list(FILES), tmp_path, sizes=sizes)
    kept = {"shard/3": b"---", "shard/4": b"----", "shard/9": b"---------"}
    assert files_below(tmp_path) == FILES | kept
    assert counts[:3] == (2, 13, 4)


def test_nothing_is_requested_twice_where_sizes_are_known(
    tmp_path: pathlib.Path, server: Server
) -> None:
    server.put("a", b"12345")
    assert stage(server.url, ["a", "a"], tmp_path, sizes={"a": 5})[:3] == (1, 5, 2)
    assert server.requests == ["/cache/a"] * 2
    assert stage(server.url, ["a", "a"], tmp_path, sizes={"a": 5})[:3] == (0, 0, 0)
    assert server.requests == ["/cache/a"] * 2


def test_several_reads_are_under_way_but_no_more_than_the_limit(
    tmp_path: pathlib.Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "NUM_IN_FLIGHT", 3)
    release = threading.Event()
    server.before = lambda path: release.wait(10)
    files = {"a": b"x" * 20, "b": b"y" * 8, "c": b"z" * 8}  # five, two and two reads
    for name, content in files.items():
        server.put(name, content)
    sizes = {"a": 20, "b": 8, "c": 8}
    thread = threading.Thread(
        target=stage, args=(server.url, [*files], tmp_path), kwargs={"sizes": sizes}
    )
    thread.start()
    deadline_s = time.monotonic() + 10
    while len(server.requests) < 3 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    time.sleep(0.2)  # for a fourth to come, if it may
    num_under_way = len(server.requests)
    release.set()
    thread.join(timeout=30)
    assert num_under_way == 3
    assert len(server.requests) == 9
    assert files_below(tmp_path) == files


def test_two_at_once_do_not_spoil_each_others_files(tmp_path: pathlib.Path, server: Server) -> None:
    content = b"0123456789"
    server.put("a", content)
    both = threading.Barrier(2, timeout=10)
    seen: list[dict[str, bytes]] = []

    def run() -> None:
        # Each has written its first bytes before either goes on.
        stage(server.url, ["a"], tmp_path, sizes={"a": 10}, on_progress=lambda *_: both.wait())
        seen.append(files_below(tmp_path))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [files["a"] for files in seen] == [content, content]
    assert files_below(tmp_path) == {"a": content}


def test_progress_tells_files_and_bytes_after_each_read(tmp_path: pathlib.Path) -> None:
    url = memory({"a": b"123456", "b": b"12"})
    told: list[tuple[int, int]] = []
    stage(url, ["a", "b"], tmp_path, on_progress=lambda *counts: told.append(counts))
    assert told == [(0, 4), (1, 6), (2, 8)]


@pytest.mark.parametrize(
    "name", ["", ".", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", "./a", "a\0b"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    url = memory({"a": b"1"})
    pattern = r"^a file to stage must be a relative path without '\.\.', got .*; name it from the"
    with pytest.raises(ValueError, match=pattern):
        stage(url, ["a", name], tmp_path)
    with pytest.raises(ValueError, match=pattern):
        staging.fetch(url, name)
    assert files_below(tmp_path) == {}


def message(
    url: str, names: list[str], folder: pathlib.Path, sizes: dict[str, int] | None = None
) -> str:
    """Returns why staging is refused, in one line."""
    with pytest.raises(ValueError, match=r"^[^\n]* must [^\n]*, got [^\n]*; [^\n]*\.$") as caught:
        stage(url, names, folder, sizes=sizes)
    return str(caught.value)


@pytest.mark.parametrize("sizes", [None, {"a": 5, "b": 5, "c": 5}])
def test_a_missing_file_is_named_and_only_what_is_whole_stays(
    tmp_path: pathlib.Path, remote: tuple[str, Put], sizes: dict[str, int] | None
) -> None:
    url, put = remote
    put("a", b"12345")
    put("c", b"12345")
    assert message(url, ["a", "b", "c"], tmp_path, sizes) == (
        f"{url} must hold b, got no such file; upload it, or check the address."
    )
    # Where sizes are not known, the look for b comes before a has arrived.
    assert files_below(tmp_path) == ({"a": b"12345"} if sizes else {})


def test_a_file_shorter_than_its_size_is_an_error_and_leaves_nothing(
    tmp_path: pathlib.Path, remote: tuple[str, Put]
) -> None:
    url, put = remote
    put("a", b"12345")
    assert message(url, ["a"], tmp_path, {"a": 7}) == (
        f"{url} must hold a whole, got fewer bytes; upload it again."
    )
    assert files_below(tmp_path) == {}


def test_a_store_that_does_not_answer_is_one_line(
    tmp_path: pathlib.Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = message(server.url, ["secret"], tmp_path)
    assert refused.startswith(f"{server.url} must hold secret, got PERMISSION_DENIED: Forbidden")
    assert refused.endswith("check the address, the network and the credentials.")

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: no one else takes the port
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        assert "Could not connect to server" in message(url, ["a"], tmp_path)

    release = threading.Event()
    server.before = lambda path: release.wait(10)
    server.put("a", b"1")
    monkeypatch.setattr(staging, "READ_TIMEOUT_S", 0.05)
    assert "got no answer in 0.05 s; check" in message(server.url, ["a"], tmp_path)
    release.set()
    assert files_below(tmp_path) == {}


@pytest.mark.parametrize("url", ["nosuch://bucket/cache", "gs://", "s3://b/", "memory://a?b"])
def test_a_url_that_none_reads_is_refused(tmp_path: pathlib.Path, url: str) -> None:
    refused = message(url, ["a"], tmp_path)
    assert refused.startswith(f"{url} must be a URL that TensorStore reads, got ")
    assert refused.endswith("write gs://BUCKET/PATH, s3://BUCKET/PATH or https://HOST/PATH.")


def test_a_listing_has_the_names_below_the_url_that_begin_with_the_prefix(server: Server) -> None:
    url = memory({"rte/b": b"", "rte/a": b"1", "rte2/c": b"2", "boolq/d": b"3"})
    assert staging.listing(url) == ["boolq/d", "rte/a", "rte/b", "rte2/c"]
    assert staging.listing(url, "rte") == ["rte/a", "rte/b", "rte2/c"]
    assert staging.listing(url, "rte/") == ["rte/a", "rte/b"]
    assert staging.listing("memory://cach") == []
    with pytest.raises(ValueError, match=r"must list its files, got .*; .* http has no lists\.$"):
        staging.listing(server.url)


def test_one_file_is_fetched_as_it_is_now_if_it_is_there(remote: tuple[str, Put]) -> None:
    url, put = remote
    put("manifest.json", b"{}")
    assert staging.fetch(url, "manifest.json") == b"{}"
    put("manifest.json", b"[1, 2, 3]")
    assert staging.fetch(url, "manifest.json") == b"[1, 2, 3]"
    assert staging.fetch(url, "other.json") is None


def test_a_url_is_remote_and_a_path_is_not() -> None:
    remote = ("gs://bucket/cache", "s3://bucket", "https://host/cache", "memory://cache")
    assert all(map(staging.is_remote, remote))
    assert not any(map(staging.is_remote, ("cache", "/data/cache", "C:/cache", "a:b/c")))
    with pytest.raises(ValueError, match=r"plain path, got file:///data/cache; write /data/cache"):
        staging.is_remote("file:///data/cache")


def test_rates_are_per_second_and_zero_where_it_took_no_time() -> None:
    counts = StageCounts(num_files=2, num_bytes=3 * 2**20, num_reads=6, seconds=1.5)
    assert (counts.reads_per_s, counts.mib_per_s) == (4.0, 2.0)
    nothing = StageCounts(0, 0, 0, 0.0)
    assert (nothing.reads_per_s, nothing.mib_per_s) == (0.0, 0.0)
