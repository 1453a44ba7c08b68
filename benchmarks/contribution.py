"""What do the references contribute?   python benchmarks/contribution.py [--data FOLDER --epochs 10]

Grades `constant` as if a student had handed it in, beside the two references, on digits or on images in FOLDER
(train/CLASS and test/CLASS), and prints accuracy and contribution.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from grader.leaderboard.explain import points
from grader.leaderboard.storage import read

REFERENCE = Path(__file__).parents[1] / "reference"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--sandbox", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        task = "digits"
        if arguments.data:
            task = str(where / "images.toml")
            text = f'name = "images"\nmodel = "lenet"\n[data]\nsource = "folder"\npath = "{arguments.data.resolve()}"\n'
            Path(task).write_text(text)
        for source, target in (("constant", "class"), ("constant", "references"), ("cosine", "references")):
            folder = where / target / source
            shutil.copytree(REFERENCE / source, folder)
            config = (folder / "config.py").read_text()
            (folder / "config.py").write_text(re.sub(r"num_epochs = \d+", f"num_epochs = {arguments.epochs}", config))
        command = [sys.executable, "-m", "grader", "run", "class", "--reference", "references", "--task", task]
        command += ["--sandbox", arguments.sandbox, "--leaderboard", "board.json"]
        subprocess.run(command, cwd=where, check=True, stdout=subprocess.DEVNULL)
        board = read(where / "board.json")
        assert board is not None
        for row in board.rows:
            if row.kind != "student" and row.contribution is not None:
                print(f"{row.id}: accuracy {100 * (row.accuracy or 0):.2f} %, contribution {points(row.contribution)}")


if __name__ == "__main__":
    main()
