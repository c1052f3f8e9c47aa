"use strict";
new EventSource("stream").onmessage = message => {
  document.getElementById("figures").textContent = JSON.stringify(
    JSON.parse(message.data).figures, null, 1);
};
