"""Write what is made from the source anew: the hash of every stage's code, and what trainings of the presets need.

python workflow/generated.py            # write it
python workflow/generated.py --check    # say whether it is out of date, exit 1 if so
"""

import sys

from lss.project.code import CODE, code_is_recorded
from lss.tools.kept_needs import COUNTED, presets_are_counted

check = "--check" in sys.argv
current = {CODE: code_is_recorded(renew=not check), COUNTED.name: presets_are_counted(renew=not check)}
for name, is_current in current.items():
    print(f"{name}: {'up to date' if is_current else 'out of date: make generated' if check else 'written anew'}")
sys.exit(check and not all(current.values()))
