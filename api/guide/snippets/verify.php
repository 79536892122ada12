<?php
// $event = verify(
//     file_get_contents('php://input'),
//     array_change_key_case(getallheaders()),
//     getenv('PAYWITNESS_SIGNING_SECRET'),
// );

// Returns the event, or null: forged, altered, or older than 5 minutes.
function verify(string $body, array $headers, string $secret): ?array
{
    $id = $headers['webhook-id'] ?? '';
    $time = $headers['webhook-timestamp'] ?? '';
    if (!ctype_digit($time) || abs(time() - (int) $time) > 300) {
        return null;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')), true);
    if (!$key) {
        throw new InvalidArgumentException('the signing secret is not whsec_…');
    }
    $mac = hash_hmac('sha256', "$id.$time.$body", $key, true);
    $expected = 'v1,' . base64_encode($mac);
    // While a secret is replaced there are several signatures.
    foreach (explode(' ', $headers['webhook-signature'] ?? '') as $given) {
        if (hash_equals($expected, $given)) {
            return json_decode($body, true);
        }
    }
    return null;
}
