"""Write what is made from the source anew: workflow/code.yaml, the hash of every stage's code.

python workflow/generated.py            # write it
python workflow/generated.py --check    # say whether it is out of date, exit 1 if so
"""

import sys

from lss.project.code import CODE, code_is_recorded

check = "--check" in sys.argv
recorded = code_is_recorded(renew=not check)
print(f"{CODE}: {'up to date' if recorded else 'out of date: make generated' if check else 'written anew'}")
sys.exit(check and not recorded)
