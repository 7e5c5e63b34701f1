-- grain: one row per offer that is held back, or whose claim is confirmed, with the time from which it then holds
-- parameters: none; reads ruled
create or replace temp table ruling as
select offer_id, is_held, claimed_at from ruled;
