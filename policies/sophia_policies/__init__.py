"""The rules of the policy pack: plain functions over plain data. `docs/policies.md` lists them."""
