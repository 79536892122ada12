import { createHmac, timingSafeEqual } from "node:crypto";

// RFC 3986: encodeURIComponent leaves out five characters.
const hex = (one) => "%" + one.charCodeAt(0).toString(16).toUpperCase();
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, hex);

// Returns the signed pr_* values, or null: forged, repeated, or older than 5 minutes.
// returnUrl is the address as you registered it, not what the Host header says.
export function checkReturn(query, { returnUrl, key }) {
  const pairs = [...new URLSearchParams(query)].filter(([name]) => name.startsWith("pr_"));
  const { pr_sig: signature = "", ...values } = Object.fromEntries(pairs);
  const names = Object.keys(values).sort();
  const signed = names.map((name) => `${name}=${encode(values[name])}`).join("&");
  const text = `pr1\nGET\n${returnUrl}\n${signed}`;
  const expected = Buffer.from(createHmac("sha256", key).update(text).digest("base64url"));
  const given = Buffer.from(signature);
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) return null;
  if (pairs.length !== names.length + 1) return null;
  return Math.abs(Date.now() / 1000 - Number(values.pr_ts)) <= 300 ? values : null;
}
