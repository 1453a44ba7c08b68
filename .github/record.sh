#!/usr/bin/env bash
# The recorded leaderboard: the branch `leaderboard`, which holds that file and nothing else. `main` can then be
# protected from every push, this one included.
#   record.sh restore FILE        write the recorded board to FILE, and print its commit; neither where there is none
#   record.sh push FILE COMMIT    record FILE on top of that commit (empty: as the first). Fails if another board has
#                                 been recorded since then: a run that starts from that one must be made.
# GITHUB_TOKEN, where it is set, lets git in for these calls alone: nothing is written into the clone.
set -euo pipefail
branch=leaderboard

if [ -n "${GITHUB_TOKEN:-}" ]; then
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.${GITHUB_SERVER_URL:-https://github.com}/.extraheader"
    GIT_CONFIG_VALUE_0="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$GITHUB_TOKEN" | base64 --wrap=0)"
    export GIT_CONFIG_VALUE_0
fi

# The newest recorded commit, fetched; empty where there is none.
recorded() {
    local code=0
    git ls-remote --exit-code origin "refs/heads/$branch" >/dev/null || code=$?
    if [ "$code" -eq 2 ]; then return 0; fi # the repository answers and has no such branch
    if [ "$code" -ne 0 ]; then
        echo "::error::the repository cannot be reached, so the recorded leaderboard is not known" >&2
        return 1
    fi
    git fetch --quiet origin "refs/heads/$branch" >&2
    git rev-parse FETCH_HEAD
}

restore() {
    local commit
    commit=$(recorded)
    if [ -z "$commit" ]; then return 0; fi
    mkdir -p "$(dirname "$1")"
    git show "$commit:leaderboard.json" > "$1"
    echo "$commit"
}

push() {
    local blob tree parent commit
    parent=$(recorded)
    if [ "$parent" != "$2" ]; then
        echo "::error::another leaderboard has been recorded during this run: run the workflow again" >&2
        return 1
    fi
    blob=$(git hash-object -w "$1")
    tree=$(printf '100644 blob %s\tleaderboard.json\n' "$blob" | git mktree)
    if [ -n "$parent" ] && [ "$(git rev-parse "$parent^{tree}")" = "$tree" ]; then return 0; fi
    export GIT_AUTHOR_NAME="github-actions[bot]" GIT_COMMITTER_NAME="github-actions[bot]"
    export GIT_AUTHOR_EMAIL="41898282+github-actions[bot]@users.noreply.github.com"
    export GIT_COMMITTER_EMAIL="$GIT_AUTHOR_EMAIL"
    commit=$(git commit-tree "$tree" ${parent:+-p "$parent"} -m "Leaderboard of $(date -u +%F)")
    # Refused by the repository, too, where somebody has pushed since: the branch must be what it was.
    if ! git push --quiet --force-with-lease="refs/heads/$branch:$parent" origin "$commit:refs/heads/$branch"; then
        echo "::error::the leaderboard could not be pushed to the branch $branch: allow this workflow to write to it" >&2
        return 1
    fi
}

"$1" "$2" "${3-}"
