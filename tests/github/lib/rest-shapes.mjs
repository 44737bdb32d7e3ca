// REST's objects: owners, repositories, commits, contents.
import { objectId } from './ids.mjs';
import { licenseOf } from './licenses.mjs';
import { isoTime } from './ids.mjs';

const WEB = 'https://github.com';

export function ownerShape(user, base) {
  const url = `${base}/users/${user.login}`;
  return {
    login: user.login, id: user.id, node_id: user.nodeId, avatar_url: `https://avatars.githubusercontent.com/u/${user.id}?v=4`, gravatar_id: '', url,
    html_url: `${WEB}/${user.login}`, followers_url: `${url}/followers`, following_url: `${url}/following{/other_user}`, gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`, subscriptions_url: `${url}/subscriptions`, organizations_url: `${url}/orgs`, repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`, received_events_url: `${url}/received_events`, type: user.type, user_view_type: 'public', site_admin: false,
  };
}

export function userShape(user, base, publicRepos) {
  return {
    ...ownerShape(user, base), name: user.name, company: user.company, blog: '', location: user.location, email: null, hireable: null, bio: user.bio, twitter_username: null,
    public_repos: publicRepos, public_gists: 0, followers: 0, following: 0, created_at: user.createdAt, updated_at: user.updatedAt,
  };
}

export function organizationShape(user, base, publicRepos) {
  const url = `${base}/orgs/${user.login}`;
  return {
    login: user.login, id: user.id, node_id: user.nodeId, url, repos_url: `${url}/repos`, events_url: `${url}/events`, hooks_url: `${url}/hooks`, issues_url: `${url}/issues`,
    members_url: `${url}/members{/member}`, public_members_url: `${url}/public_members{/member}`, avatar_url: `https://avatars.githubusercontent.com/u/${user.id}?v=4`,
    description: user.bio, name: user.name, company: null, blog: null, location: user.location, email: null, is_verified: false, has_organization_projects: true,
    has_repository_projects: true, public_repos: publicRepos, public_gists: 0, followers: 0, following: 0, html_url: `${WEB}/${user.login}`, type: 'Organization',
    created_at: user.createdAt, updated_at: user.updatedAt,
  };
}

export function licenseShape(spdx, base) {
  const license = licenseOf(spdx);
  if (!license) return null;
  return { key: license.key, name: license.name, spdx_id: license.spdxId, url: license.key === 'other' ? null : `${base}/licenses/${license.key}`, node_id: license.nodeId };
}

const TEMPLATES = {
  forks_url: '/forks', keys_url: '/keys{/key_id}', collaborators_url: '/collaborators{/collaborator}', teams_url: '/teams', hooks_url: '/hooks', issue_events_url: '/issues/events{/number}',
  events_url: '/events', assignees_url: '/assignees{/user}', branches_url: '/branches{/branch}', tags_url: '/tags', blobs_url: '/git/blobs{/sha}', git_tags_url: '/git/tags{/sha}',
  git_refs_url: '/git/refs{/sha}', trees_url: '/git/trees{/sha}', statuses_url: '/statuses/{sha}', languages_url: '/languages', stargazers_url: '/stargazers', contributors_url: '/contributors',
  subscribers_url: '/subscribers', subscription_url: '/subscription', commits_url: '/commits{/sha}', git_commits_url: '/git/commits{/sha}', comments_url: '/comments{/number}',
  issue_comment_url: '/issues/comments{/number}', contents_url: '/contents/{+path}', compare_url: '/compare/{base}...{head}', merges_url: '/merges', archive_url: '/{archive_format}{/ref}',
  downloads_url: '/downloads', issues_url: '/issues{/number}', pulls_url: '/pulls{/number}', milestones_url: '/milestones{/number}', notifications_url: '/notifications{?since,all,participating}',
  labels_url: '/labels{/name}', releases_url: '/releases{/id}', deployments_url: '/deployments',
};

export function repositoryShape(repo, store, base, viewer) {
  const full = `${repo.owner}/${repo.name}`;
  const url = `${base}/repos/${full}`;
  const shape = {
    id: repo.id, node_id: repo.nodeId, name: repo.name, full_name: full, private: repo.isPrivate, owner: ownerShape(store.owner(repo.owner), base),
    html_url: `${WEB}/${full}`, description: repo.description, fork: repo.isFork, url,
  };
  for (const [key, tail] of Object.entries(TEMPLATES)) shape[key] = url + tail;
  Object.assign(shape, {
    created_at: repo.createdAt, updated_at: repo.updatedAt, pushed_at: repo.pushedAt, git_url: `git://github.com/${full}.git`, ssh_url: `git@github.com:${full}.git`,
    clone_url: `${WEB}/${full}.git`, svn_url: `${WEB}/${full}`, homepage: repo.homepageUrl, size: repo.diskUsage, stargazers_count: repo.stargazerCount,
    watchers_count: repo.stargazerCount, language: repo.languages[0]?.[0] ?? null, has_issues: true, has_projects: true, has_downloads: true, has_wiki: true, has_pages: false,
    has_discussions: false, forks_count: repo.forkCount, mirror_url: null, archived: repo.isArchived, disabled: Boolean(repo.isDisabled || repo.blocked), open_issues_count: repo.openIssueCount,
    license: licenseShape(repo.license, base), allow_forking: true, is_template: repo.isTemplate, web_commit_signoff_required: false, topics: repo.topics,
    visibility: repo.isPrivate ? 'private' : 'public', forks: repo.forkCount, open_issues: repo.openIssueCount, watchers: repo.stargazerCount, default_branch: repo.defaultBranch,
  });
  if (viewer) {
    const admin = viewer.login === repo.owner;
    shape.permissions = { admin, maintain: admin, push: admin || repo.collaborators.includes(viewer.login), triage: admin, pull: true };
  }
  return shape;
}

/** What the single repository's answer has beyond the list's. */
export function fullRepositoryShape(repo, store, base, viewer) {
  const shape = repositoryShape(repo, store, base, viewer);
  const parent = store.byId.get(repo.parentId);
  if (parent) Object.assign(shape, { parent: repositoryShape(parent, store, base, viewer), source: repositoryShape(parent, store, base, viewer) });
  const owner = store.owner(repo.owner);
  if (owner.type === 'Organization') shape.organization = ownerShape(owner, base);
  return { ...shape, network_count: repo.forkCount, subscribers_count: repo.watcherCount };
}

const person = ({ name, email, time }) => ({ name, email, date: isoTime(time * 1000) });

export function gitCommitShape(repo, oid, commit, base) {
  const url = `${base}/repos/${repo.owner}/${repo.name}/git`;
  return {
    sha: oid, node_id: objectId('C', repo.id, oid), url: `${url}/commits/${oid}`, html_url: `${WEB}/${repo.owner}/${repo.name}/commit/${oid}`,
    author: person(commit.author), committer: person(commit.committer), tree: { sha: commit.tree, url: `${url}/trees/${commit.tree}` }, message: commit.message,
    parents: commit.parents.map((sha) => ({ sha, url: `${url}/commits/${sha}`, html_url: `${WEB}/${repo.owner}/${repo.name}/commit/${sha}` })),
    verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null },
  };
}

export function commitShape(repo, oid, commit, base) {
  const url = `${base}/repos/${repo.owner}/${repo.name}`;
  return {
    sha: oid, node_id: objectId('C', repo.id, oid),
    commit: { author: person(commit.author), committer: person(commit.committer), message: commit.message, tree: { sha: commit.tree, url: `${url}/git/trees/${commit.tree}` }, url: `${url}/git/commits/${oid}`, comment_count: 0, verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null } },
    url: `${url}/commits/${oid}`, html_url: `${WEB}/${repo.owner}/${repo.name}/commit/${oid}`, comments_url: `${url}/commits/${oid}/comments`, author: null, committer: null,
    parents: commit.parents.map((sha) => ({ sha, url: `${url}/commits/${sha}`, html_url: `${WEB}/${repo.owner}/${repo.name}/commit/${sha}` })),
  };
}

/** Base64 in lines of 60 characters, as GitHub gives it. */
export function base64Lines(data) {
  const text = data.toString('base64');
  return text.replace(/.{60}/g, '$&\n') + (text.length % 60 ? '\n' : '');
}

const escapePath = (file) => file.split('/').map(encodeURIComponent).join('/');

/** An entry of contents/: a file with its content, or an item of a folder. */
export function contentShape(repo, ref, entry, file, size, base, content) {
  const url = `${base}/repos/${repo.owner}/${repo.name}`;
  const self = `${url}/contents/${escapePath(file)}?ref=${encodeURIComponent(ref)}`;
  const kind = entry.type === 'tree' ? 'tree' : 'blob';
  const type = entry.type === 'tree' ? 'dir' : entry.type === 'commit' ? 'submodule' : entry.mode === '120000' && !content ? 'symlink' : 'file';
  const git = `${url}/git/${kind}s/${entry.oid}`;
  const html = `${WEB}/${repo.owner}/${repo.name}/${kind}/${ref}/${escapePath(file)}`;
  return {
    name: file.slice(file.lastIndexOf('/') + 1), path: file, sha: entry.oid, size: type === 'dir' ? 0 : size, url: self, html_url: html, git_url: git,
    download_url: type === 'dir' ? null : `https://raw.githubusercontent.com/${repo.owner}/${repo.name}/${ref}/${escapePath(file)}`, type,
    ...(content ?? {}), _links: { self, git, html },
  };
}
