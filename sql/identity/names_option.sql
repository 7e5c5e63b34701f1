-- grain: a scalar; whether the way to buy that a provider's name says is that of a row
-- A row that says another way to buy than its provider's name, or a commitment of nobody knows how long, keeps that name, as
-- such a row of a list is refused (scrapers/archives/archive_row.py).
create or replace temp macro names_option(option_of_name, option_of_row, term_months) as
    option_of_name is null
    or option_of_name = option_of_row
    or option_of_row = 'on_demand' and (option_of_name <> 'reserved' or term_months is not null);
