import { Webhook } from "standardwebhooks"; // npm install standardwebhooks

const webhook = new Webhook(process.env.PAYWITNESS_SIGNING_SECRET); // whsec_…

// body: the raw bytes, as in express.raw({ type: "application/json" }).
// Returns the event, or null: forged, altered, or older than 5 minutes.
export function verify(body, headers) {
  try {
    return webhook.verify(body, headers);
  } catch {
    return null;
  }
}
