// Verifies callbacks as a shop in JavaScript does, with the reference library.
// Standard input: a JSON array of {secret, headers, body, ahead}; the body in base64, `ahead` the seconds by which the
// receiver's clock is ahead of ours. Standard output: for each its refusal, or "" when it verifies.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const clock = Date.now;

function refusal({ secret, headers, body, ahead }) {
  Date.now = () => clock() + ahead * 1000;
  try {
    new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
    return "";
  } catch (error) {
    return error.message;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(refusal)));
