"""Downloads: no network, proxies, and every way in which a server on loopback can serve a file badly."""

import contextlib
import hashlib
import http.server
import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_data import fault, tree

from rdfia_keras.data import cifar10, download, load_images, load_vectors, mnist

WAYS_OUT = (
    "put mnist.npz or the course's mnist.mat in a folder and pass `--data-dir FOLDER`, or name that folder in the "
    "environment variable RDFIA_DATA, or use `--dataset digits`, which needs no download"
)


@pytest.fixture(autouse=True)
def keras_home(offline) -> Path:
    return offline


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Try again at once."""
    monkeypatch.setattr("pooch.core.time", type("time", (), {"sleep": staticmethod(lambda _seconds: None)}))


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
    assert message.startswith(
        f"{archive} is needed but {tmp_path} does not hold it and it could not be downloaded from https://"
    )
    assert f"through the proxy that https_proxy names to {keras_home / 'datasets'} (Connection refused); " in message
    files = f"{archive} or {(cifar10 if name == 'cifar10' else mnist).REMOTE.other}"
    assert message.endswith(WAYS_OUT.replace("mnist.npz or the course's mnist.mat", files))
    assert tree(keras_home) == before


def test_without_a_home_keras_uses_the_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert f"to {tmp_path / '.keras' / 'datasets'} (" in fault(load_vectors, "mnist")


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
    assert f"to {tmp_path / 'file' / 'keras' / 'datasets'} (Not a directory); put mnist.npz" in message
    assert refusing_proxy.asked == []


@pytest.mark.parametrize(
    "proxy, login",
    [
        ("http://127.0.0.1:{port}", None),
        ("127.0.0.1:{port}", None),
        ("http://user:word@127.0.0.1:{port}/", "Basic dXNlcjp3b3Jk"),
    ],
)
def test_the_proxy_of_the_environment_is_used(refusing_proxy, monkeypatch, capfd, proxy, login):
    monkeypatch.setenv("https_proxy", proxy.format(port=refusing_proxy.server_port))
    message = fault(load_vectors, "mnist")
    assert "(Tunnel connection failed: 403 Not allowed here)" in message and "word" not in message
    assert set(refusing_proxy.asked) == {("storage.googleapis.com:443", login)}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "proxy",
    [
        *("http://user:word@127.0.0.1", "https://127.0.0.1:9/", "http://proxy:port", "http://", "http://a..b:3128"),
        f"http://{'a' * 70}:3128",
    ],
)
def test_a_proxy_that_does_not_answer_or_is_no_address_is_a_plain_fault(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    started = time.monotonic()
    message = fault(load_vectors, "mnist")
    assert "through the proxy that https_proxy names" in message and "word" not in message
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
    assert set(capsys.readouterr().err[:-1].split("\r")) == {"", "Downloading mnist.npz ... 100% of 0.0 MB"}


def test_a_slow_file_is_waited_for(serve, keras_home, monkeypatch):
    """The limit holds for each read and not for the whole file."""
    monkeypatch.setattr(download, "READ_SECONDS", 0.4)
    server = serve(slow)
    started = time.monotonic()
    assert_downloaded(keras_home)
    assert time.monotonic() - started > 0.4
    assert server.requests == 1


@pytest.mark.parametrize(
    "answer, reason",
    [
        (cut_off, "IncompleteRead"),
        (stalled, "timed out"),
        (silent, "timed out"),
        (other_file, "does not match the known hash"),
        (status(503), "503 Server Error: Service Unavailable"),
        (status(404), "404 Client Error: Not Found"),
    ],
)
def test_a_failure_is_tried_again_and_leaves_the_cache_as_it_was(serve, keras_home, monkeypatch, capfd, answer, reason):
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    server = serve(answer, answer, answer, send)
    (keras_home / "datasets").mkdir()
    (keras_home / "datasets" / "other.npz").write_bytes(b"somebody else's")
    before = tree(keras_home)
    message = fault(load_images, "mnist")
    assert message.startswith(f"mnist.npz is needed but it could not be downloaded from {mnist.REMOTE.url}")
    assert reason in message and message.endswith(f"); {WAYS_OUT}")
    assert tree(keras_home) == before
    assert server.requests == download.TRIES == 2
    assert capfd.readouterr().out == ""

    (keras_home / "datasets" / "other.npz").unlink()
    assert_downloaded(keras_home)
    assert server.requests == 4


def test_an_interrupted_download_leaves_the_cache_as_it_was(monkeypatch, keras_home):
    def interrupted(_url: str, file: str, _pooch: object) -> None:
        Path(file).write_bytes(WHOLE[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_images("mnist")
    assert tree(keras_home) == {"datasets": "folder"}


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
