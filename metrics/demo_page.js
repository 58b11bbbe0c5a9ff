// The demo shop's buttons. The server knows by its cookie who is signed in; the tracker is told when that changes.
const said = document.getElementById("said");
const signIn = document.getElementById("sign-in");
const signOut = document.getElementById("sign-out");
const name = document.getElementById("name");
const [customerOnly, guestOnly] = document.querySelectorAll(".who > span");

async function post(path, body) {
  const answer = await fetch(`/demo/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body || {}),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

function show(customer) {
  name.textContent = customer;
  customerOnly.hidden = signOut.hidden = !customer;
  guestOnly.hidden = Boolean(customer);
  const button = signIn.querySelector("button");
  button.textContent = customer ? button.dataset.signedIn : button.dataset.signedOut;
  for (const deed of document.querySelectorAll("[data-deed]")) deed.disabled = !customer;
}

function listen(element, event, work) {
  element.addEventListener(event, async (happened) => {
    happened.preventDefault();
    try {
      said.textContent = await work(happened);
    } catch (error) {
      said.textContent = error.message;
    }
  });
}

listen(signIn, "submit", async () => {
  const { token, customer } = await post("sign-in", { user_id: signIn.customer.value });
  window.customerMetrics?.identify(token);
  show(customer.name);
  return `Signed in as ${customer.name}.`;
});

listen(signOut, "click", async () => {
  await post("sign-out");
  window.customerMetrics?.signOut();
  show("");
  return "Signed out.";
});

for (const button of document.querySelectorAll("[data-deed]")) {
  listen(button, "click", async () => (await post(button.dataset.deed)).said);
}

show(name.textContent);
