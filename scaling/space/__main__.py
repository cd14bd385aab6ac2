"""Print the JSON Schema of a space file: `python -m scaling.space`."""

import json

from scaling.space.load import schema

if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
