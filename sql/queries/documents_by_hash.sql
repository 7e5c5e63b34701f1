-- grain: one row per archived document of some content hashes, its first fetch
-- parameters: hashes varchar[]
select url, method, context, sha256, body_bytes, status, content_type, fetched_at
from document
where list_contains($hashes::varchar[], sha256)
qualify row_number() over (partition by sha256 order by document_no) = 1
order by sha256;
