"""A Chromium without a window, spoken to over a pipe, for the tests of pages."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
_CODES = {'ArrowUp': 38, 'ArrowDown': 40, 'ArrowLeft': 37, 'ArrowRight': 39, 'Enter': 13, 'Escape': 27, 'End': 35}
_SECONDS = 60  # until a call counts as hung


class Browser:
    """One tab.

    Args:
        folder: for its profile and its downloads.
    """

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / 'downloads'
        self.errors: list[str] = []
        """Exceptions of scripts, console errors, and what a page was not allowed to load."""
        self.requests: list[str] = []
        """URLs that a page asked for, but for data in the page."""
        ours, theirs = os.pipe(), os.pipe()
        options = (
            '--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --remote-debugging-pipe '
            '--disable-background-networking --disable-component-update --force-device-scale-factor=1'
        )
        script = f'exec "$0" {options} --user-data-dir="$1" about:blank 3<&{theirs[0]} 4>&{ours[1]} 2>/dev/null'
        self.process = subprocess.Popen(
            ['bash', '-c', script, str(PROGRAM), str(folder / 'profile')], pass_fds=(theirs[0], ours[1])
        )
        os.close(theirs[0])
        os.close(ours[1])
        self._in, self._out = os.fdopen(ours[0], 'rb', 0), os.fdopen(theirs[1], 'wb', 0)
        self._number = 0
        self._rest = b''
        self._session: str | None = None
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self._session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')
        self.call('Browser.setDownloadBehavior', behavior='allow', downloadPath=str(self.downloads), eventsEnabled=True)

    def close(self) -> None:
        """Ends the browser."""
        self._in.close()
        self._out.close()
        self.process.kill()
        self.process.wait()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result."""
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        self._out.write(json.dumps(message).encode() + b'\0')
        return self._wait(lambda found: found.get('id') == self._number)['result']

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next event of that name."""
        return self._wait(lambda found: found.get('method') == event)['params']

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Shows a file, and waits until it is loaded."""
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = 'dark' if dark else 'light'
        self.call('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme}])
        self.call('Page.navigate', url=path.resolve().as_uri())
        self.wait_for('Page.loadEventFired')

    def run(self, script: str) -> Any:
        """The value of an expression in the page, after two frames; a promise is waited for."""
        frames = 'await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));'
        code = f'(async () => {{ const value = await ({script}); {frames} return value; }})()'
        result = self.call('Runtime.evaluate', expression=code, awaitPromise=True, returnByValue=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(result['exceptionDetails']['exception'].get('description', result))
        return result['result'].get('value')

    def press(self, key: str) -> None:
        """A key, by its name in JavaScript."""
        codes = {
            'ArrowUp': 38,
            'ArrowDown': 40,
            'ArrowLeft': 37,
            'ArrowRight': 39,
            'Enter': 13,
            'Escape': 27,
            'End': 35,
        }
        told = {'key': key, 'windowsVirtualKeyCode': codes.get(key, ord(key[0].upper()))}
        text = {'text': key} if len(key) == 1 else {}
        self.call('Input.dispatchKeyEvent', type='keyDown', **told, **text)
        self.call('Input.dispatchKeyEvent', type='keyUp', **told)
        self.run('0')

    def picture(self, path: Path, whole: bool = False) -> None:
        """A screenshot as PNG, of what is in sight or of the whole page."""
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data']
        path.write_bytes(base64.b64decode(data))

    def download(self, script: str) -> bytes:
        """The file that the page saves when an expression is run."""
        for old in self.downloads.glob('*'):
            old.unlink()
        self.run(script)
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            found = [path for path in self.downloads.glob('*') if path.suffix != '.crdownload']
            if found:
                return found[0].read_bytes()
            time.sleep(0.05)
        raise TimeoutError('nothing was saved')

    def _wait(self, wanted: Any) -> dict[str, Any]:
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            while b'\0' in self._rest:
                line, _, self._rest = self._rest.partition(b'\0')
                found = json.loads(line)
                self._note(found)
                if wanted(found):
                    if 'error' in found:
                        raise RuntimeError(found['error'])
                    return found
            part = self._in.read(1 << 20)
            if not part:
                raise RuntimeError('the browser has ended')
            self._rest += part
        raise TimeoutError

    def _note(self, found: dict[str, Any]) -> None:
        method, params = found.get('method'), found.get('params', {})
        if method == 'Runtime.exceptionThrown':
            self.errors.append(str(params['exceptionDetails']))
        elif method == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.errors.append(params['entry']['text'])
        elif method == 'Network.requestWillBeSent' and not params['request']['url'].startswith(('data:', 'blob:')):
            self.requests.append(params['request']['url'])
