"use strict";

const show = (id, text) => { document.getElementById(id).textContent = text; };

async function showVersion() {
  const answer = await fetch("api/version");
  const { version, instance } = await answer.json();
  show("version", `${version} (${instance})`);
}

function listen() {
  const socket = new WebSocket(new URL("api/ws", location.href.replace(/^http/, "ws")));
  socket.onmessage = (event) => show("spoken", JSON.parse(event.data).version);
  socket.onclose = () => { showVersion(); setTimeout(listen, 1000); };
}

document.getElementById("order").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const answer = await fetch("api/orders", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ item: form.get("item"), quantity: Number(form.get("quantity")) }),
  });
  const body = await answer.json();
  show("answer", answer.ok ? `Order ${body.id} is taken.` : `Not taken: ${JSON.stringify(body.detail)}`);
});

showVersion();
listen();
