// The stream: one at a time, and none while nobody looks.

const SILENCE = 10000;  // milliseconds after which it is opened anew: a block comes each second

class Stream {
  constructor(take, fresh, changed) {
    Object.assign(this, {take, fresh, changed, source: null, connected: true});
    document.addEventListener("visibilitychange", () => this.look());
    this.look();
  }

  look() {
    if (document.hidden) this.close(); else this.open();
  }

  open() {
    this.close();
    const source = this.source = new EventSource("stream");
    this.reopenAfter(SILENCE);
    source.addEventListener("open", () => {
      this.fresh();
      this.tell(true);
    });
    source.addEventListener("message", event => {
      this.reopenAfter(SILENCE);
      this.take(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      this.tell(false);
      if (source.readyState === EventSource.CLOSED) {  // refused: the browser does not try again
        this.reopenAfter(2000);
      }
    });
  }

  reopenAfter(milliseconds) {
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      this.tell(false);
      this.open();
    }, milliseconds);
  }

  close() {
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
  }

  tell(connected) {
    this.connected = connected;
    this.changed();
  }
}
