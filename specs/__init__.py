"""The contract: an OpenAPI document and four tables an API, readable without Python, and their one reader."""
