"""Downloads: no network, proxies, and every way in which a server on loopback can serve a file badly."""

import contextlib
import hashlib
import http.server
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rdfia_keras.data import download, load_images, load_vectors, mnist
from rdfia_keras.errors import RdfiaError

WAYS_OUT = (
    "put mnist.npz in a folder and pass `--data-dir FOLDER`, or name that folder in the environment variable "
    "RDFIA_DATA, or use `--dataset digits`, which needs no download"
)


@pytest.fixture(autouse=True)
def offline(tmp_path_factory, monkeypatch):
    """No test may depend on the user's cache, folder or network."""
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
    monkeypatch.delenv("RDFIA_DATA", raising=False)


@pytest.fixture
def keras_home() -> Path:
    return Path(os.environ["KERAS_HOME"])


def fault(call, *args, **kwargs) -> str:
    with pytest.raises(RdfiaError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def tree(folder: Path) -> dict[str, str]:
    """Every path below a folder, with the digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


# --- no network, no folder, proxies


@pytest.mark.parametrize("name, archive", [("mnist", "mnist.npz"), ("cifar10", "cifar-10-python.tar.gz")])
def test_no_network_is_a_plain_fault_within_seconds(name, archive, tmp_path, keras_home):
    (keras_home / "datasets").mkdir()
    (keras_home / "datasets" / "other.npz").write_bytes(b"somebody else's")
    (keras_home / "keras.json").write_text("{}")
    before = tree(keras_home)
    started = time.monotonic()
    message = fault(load_images, name, tmp_path)
    assert time.monotonic() - started < 3
    assert message.startswith(f"{archive} is needed but {tmp_path} does not hold it and it could not be downloaded (")
    assert "no connection to 127.0.0.1" in message
    assert f"put {archive} in a folder and pass `--data-dir FOLDER`" in message
    assert "RDFIA_DATA" in message
    assert "`--dataset digits`" in message
    assert tree(keras_home) == before


def test_no_network_makes_no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    assert "it could not be downloaded" in fault(load_vectors, "mnist")
    assert not (tmp_path / "none").exists()


def test_no_home_is_a_plain_fault(monkeypatch, tmp_path):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert "it could not be downloaded" in fault(load_vectors, "mnist")


class RefusingProxy(http.server.BaseHTTPRequestHandler):
    """There is a network, and it lets nothing through."""

    def do_CONNECT(self):
        self.server.asked.append((self.path, self.headers["Proxy-Authorization"]))
        self.send_error(403, "Not allowed here")

    def log_message(self, *_args):
        pass


@pytest.fixture
def refusing_proxy(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RefusingProxy)
    server.asked = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


def test_unwritable_cache_is_a_plain_fault(refusing_proxy, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file" / "keras"))
    message = fault(load_vectors, "mnist")
    assert f"the cache folder {tmp_path / 'file' / 'keras'} cannot be written, KERAS_HOME can name another" in message


def test_a_failed_download_leaves_the_cache_as_it_was(refusing_proxy, keras_home, capfd):
    (keras_home / "datasets").mkdir()
    (keras_home / "datasets" / "cifar-10-batches-py.other").write_bytes(b"somebody else's")
    before = tree(keras_home)
    message = fault(load_images, "cifar10")
    assert "(https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz: " in message
    assert "403" in message
    assert "Traceback" not in message
    assert tree(keras_home) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "proxy, login",
    [
        ("http://127.0.0.1:{port}", None),
        ("127.0.0.1:{port}", None),
        ("http://user:word@127.0.0.1:{port}/", "Basic dXNlcjp3b3Jk"),
    ],
)
def test_the_proxy_of_the_environment_is_used(refusing_proxy, monkeypatch, proxy, login):
    monkeypatch.setenv("https_proxy", proxy.format(port=refusing_proxy.server_port))
    assert "no connection to 127.0.0.1: Tunnel connection failed: 403 Not allowed here" in fault(load_vectors, "mnist")
    assert refusing_proxy.asked == [("storage.googleapis.com:443", login)]


@pytest.mark.parametrize("proxy", ["http://user:word@127.0.0.1", "https://127.0.0.1:9/"])
def test_a_proxy_that_does_not_answer_is_named(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    message = fault(load_vectors, "mnist")
    assert "no connection to 127.0.0.1: Connection refused" in message
    assert "word" not in message


@pytest.mark.parametrize("proxy", ["http://proxy:port", "http://", "http://a..b:3128", f"http://{'a' * 70}:3128"])
def test_a_proxy_that_is_no_address_is_a_plain_fault(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    started = time.monotonic()
    assert f"the proxy address {proxy} is not valid" in fault(load_vectors, "mnist")
    assert time.monotonic() - started < 1


# --- a server


def small_mnist() -> bytes:
    """An `mnist.npz` of four images, about 6 kB."""
    x = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(file, x_train=x, y_train=np.arange(4), x_test=x[:2], y_test=np.arange(2))
    return file.getvalue()


WHOLE = small_mnist()
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def send(request: http.server.BaseHTTPRequestHandler, body: bytes = WHOLE, length: int = len(WHOLE)) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(length))
    request.end_headers()
    request.wfile.write(body)


def cut_off(request) -> None:
    send(request, WHOLE[: len(WHOLE) // 2])


def other_file(request) -> None:
    send(request, bytes(len(WHOLE)))


def slow(request) -> None:
    send(request, b"")
    for start in range(0, len(WHOLE), 1000):
        time.sleep(0.1)
        request.wfile.write(WHOLE[start : start + 1000])


def stalled(request) -> None:
    send(request, WHOLE[:100])
    request.server.closing.wait(10)


def silent(request) -> None:
    request.server.closing.wait(10)


def status(code: int) -> Answer:
    return lambda request: request.send_error(code)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        # The last answer is the one to all further requests.
        answers = self.server.answers
        with contextlib.suppress(ConnectionError):
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_args):
        pass


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., http.server.ThreadingHTTPServer]]:
    """`serve(answer, ...)` publishes mnist.npz on a server that answers one request after the other in these ways."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.closing = 0, threading.Event()

    def serve(*answers: Answer) -> http.server.ThreadingHTTPServer:
        server.answers = list(answers)
        url = f"http://127.0.0.1:{server.server_port}/mnist.npz"
        monkeypatch.setattr(mnist, "REMOTE", replace(mnist.REMOTE, url=url, sha256=hashlib.sha256(WHOLE).hexdigest()))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield serve
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_pause(monkeypatch):
    """Tries again at once."""
    monkeypatch.setattr("pooch.core.time", type("time", (), {"sleep": staticmethod(lambda _seconds: None)}))


def assert_downloaded(keras_home: Path) -> None:
    assert load_images("mnist").train.x.shape == (4, 28, 28, 1)
    assert tree(keras_home) == {"datasets": "folder", "datasets/mnist.npz": hashlib.sha256(WHOLE).hexdigest()}


def test_a_whole_file_is_downloaded_once(serve, keras_home, capfd):
    server = serve(send)
    assert_downloaded(keras_home)
    assert_downloaded(keras_home)
    assert server.requests == 1
    assert capfd.readouterr() == ("", "Downloading mnist.npz ...\n")
    assert (keras_home / "datasets" / "mnist.npz").stat().st_mode & 0o444 == 0o444


def test_progress_is_shown_on_a_terminal(serve, keras_home, capsys, monkeypatch):
    serve(send)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert_downloaded(keras_home)
    err = capsys.readouterr().err
    assert err == "Downloading mnist.npz ...\rDownloading mnist.npz ... 100% of 0.0 MB\n"


def test_a_slow_file_is_waited_for(serve, keras_home, monkeypatch):
    """The limit holds for each read and not for the whole file."""
    monkeypatch.setattr(download, "READ_SECONDS", 0.4)
    server = serve(slow)
    started = time.monotonic()
    assert_downloaded(keras_home)
    assert time.monotonic() - started > 0.4
    assert server.requests == 1


@pytest.mark.parametrize("first", [cut_off, stalled, silent, other_file, status(503)])
def test_a_failure_that_passes_is_tried_again(serve, keras_home, monkeypatch, no_pause, first):
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    server = serve(first, first, send)
    assert_downloaded(keras_home)
    assert server.requests == 3


@pytest.mark.parametrize(
    "answer, tries, reason",
    [
        (cut_off, 3, "IncompleteRead"),
        (stalled, 3, "timed out"),
        (silent, 3, "timed out"),
        (other_file, 3, "what arrived is not the published file, its SHA-256 differs"),
        (status(503), 3, "503 Server Error: Service Unavailable"),
        (status(404), 1, "404 Client Error: Not Found"),
    ],
)
def test_a_failure_that_stays_leaves_the_cache_as_it_was(
    serve, keras_home, monkeypatch, no_pause, capfd, answer, tries, reason
):
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    server = serve(answer)
    (keras_home / "keras.json").write_text("{}")
    before = tree(keras_home)
    message = fault(load_images, "mnist")
    assert message.startswith(f"mnist.npz is needed but it could not be downloaded ({mnist.REMOTE.url}: ")
    assert reason in message
    assert message.endswith(f"); {WAYS_OUT}")
    assert tree(keras_home) == before
    assert server.requests == tries
    out, err = capfd.readouterr()
    assert out == ""
    # A line for each answer that holds a file.
    assert err == "Downloading mnist.npz ...\n" * (3 if answer in (cut_off, stalled, other_file) else 0)


def test_a_failed_download_keeps_other_cached_files(serve, keras_home, no_pause):
    (keras_home / "datasets").mkdir()
    (keras_home / "datasets" / "other.npz").write_bytes(b"somebody else's")
    serve(cut_off)
    before = tree(keras_home)
    fault(load_images, "mnist")
    assert tree(keras_home) == before


def test_an_interrupted_download_leaves_the_cache_as_it_was(monkeypatch, tmp_path):
    def interrupted(_url: str, file: str, _pooch: object) -> None:
        Path(file).write_bytes(WHOLE[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_stream", interrupted)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "new" / "keras"))
    with pytest.raises(KeyboardInterrupt):
        load_images("mnist")
    assert tree(tmp_path) == {}


def test_two_downloads_at_once_both_succeed(serve, keras_home):
    both = threading.Barrier(2, timeout=20)

    def send_to_both(request) -> None:
        both.wait()
        send(request)

    server = serve(send_to_both)
    code = (
        "import sys; from dataclasses import replace; from rdfia_keras.data import load_images, mnist; "
        "mnist.REMOTE = replace(mnist.REMOTE, url=sys.argv[1], sha256=sys.argv[2]); "
        "print(load_images('mnist').digest)"
    )
    command = [sys.executable, "-c", code, mnist.REMOTE.url, mnist.REMOTE.sha256]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    done = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for *_, code in done] == [0, 0], done
    assert server.requests == 2
    assert_downloaded(keras_home)
    assert {out.strip() for out, *_ in done} == {load_images("mnist").digest}
