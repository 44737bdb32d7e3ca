// Users, organisations and repositories as GraphQL sees them. Fields are properties or methods of the same name.
import { connect, counted } from './connect.mjs';
import { TypedError } from './errors.mjs';
import { hashNumber, nodeId } from './ids.mjs';
import { languageColor, languageId } from './languages.mjs';
import { licenseOf } from './licenses.mjs';
import { makeObject, Ref } from './nodes-git.mjs';

const WEB = 'https://github.com';

const language = (name) => ({ __typename: 'Language', id: nodeId('LA', languageId(name)), name, color: languageColor(name) });

/** May this request's viewer see the repository? */
export function visible(repo, viewer) {
  if (repo.deleted) return false;
  if (!repo.isPrivate) return true;
  if (!viewer) return false;
  return viewer.login === repo.owner || viewer.organizations.includes(repo.owner) || repo.collaborators.includes(viewer.login);
}

/** The repositories connection's candidates, by how the owner is affiliated with them. */
export function affiliated(store, owner, affiliations) {
  const found = new Set();
  if (affiliations.includes('OWNER')) for (const repo of store.repositoriesOf(owner.login)) found.add(repo);
  if (affiliations.includes('COLLABORATOR')) {
    for (const repo of store.collaborationsOf(owner.login)) found.add(repo);
  }
  if (affiliations.includes('ORGANIZATION_MEMBER')) {
    for (const organization of owner.organizations) for (const repo of store.repositoriesOf(organization)) found.add(repo);
  }
  return [...found];
}

const ORDER_KEYS = {
  CREATED_AT: (repo) => repo.createdAt, UPDATED_AT: (repo) => repo.updatedAt, PUSHED_AT: (repo) => repo.pushedAt ?? '',
  NAME: (repo) => repo.name.toLowerCase(), STARGAZERS: (repo) => repo.stargazerCount,
};

class Owner {
  constructor(user, ctx) {
    this.user = user;
    this.ctx = ctx;
  }
  get __typename() { return this.user.type; }
  get id() { return this.user.nodeId; }
  get databaseId() { return this.user.id; }
  get login() { return this.user.login; }
  get name() { return this.user.name; }
  get location() { return this.user.location; }
  get email() { return this.user.type === 'User' ? '' : null; }
  get websiteUrl() { return null; }
  get twitterUsername() { return null; }
  get createdAt() { return this.user.createdAt; }
  get updatedAt() { return this.user.updatedAt; }
  get resourcePath() { return `/${this.user.login}`; }
  get url() { return WEB + this.resourcePath; }
  avatarUrl({ size }) { return `https://avatars.githubusercontent.com/u/${this.user.id}?v=4${size ? `&s=${size}` : ''}`; }

  repository({ name }) {
    const repo = this.ctx.store.repository(this.user.login, name);
    return repo && visible(repo, this.ctx.viewer) ? this.ctx.repositoryNode(repo) : null;
  }

  repositories(args, ctx, info) {
    if (args.privacy && args.visibility) throw new TypedError('UNPROCESSABLE', 'privacy and visibility arguments cannot be combined.');
    let found = affiliated(this.ctx.store, this.user, args.ownerAffiliations ?? ['OWNER', 'COLLABORATOR']).filter((repo) => visible(repo, this.ctx.viewer));
    if (args.affiliations) {
      const mine = this.ctx.viewer ? new Set(affiliated(this.ctx.store, this.ctx.viewer, args.affiliations)) : new Set();
      found = found.filter((repo) => mine.has(repo));
    }
    const privacy = args.privacy ?? args.visibility;
    if (privacy === 'PRIVATE') found = found.filter((repo) => repo.isPrivate);
    if (privacy === 'PUBLIC') found = found.filter((repo) => !repo.isPrivate);
    if (privacy === 'INTERNAL') found = [];
    for (const flag of ['isFork', 'isArchived']) if (typeof args[flag] === 'boolean') found = found.filter((repo) => repo[flag] === args[flag]);
    if (args.isLocked === true || args.hasIssuesEnabled === false) found = [];
    const value = ORDER_KEYS[args.orderBy?.field];
    return connect(found, args, info, {
      key: (repo) => (value ? [value(repo), repo.id] : [repo.id]),
      descending: args.orderBy?.direction === 'DESC',
      node: (repo, index, length) => this.ctx.listedNode(repo, index, length),
      extra: { totalDiskUsage: found.reduce((sum, repo) => sum + repo.diskUsage, 0) },
    });
  }

  pinnedItems(args, ctx, info) { return counted(0, args, info); }
}

export class User extends Owner {
  get bio() { return this.user.bio; }
  get company() { return this.user.company; }
  get isViewer() { return this.ctx.viewer?.login === this.user.login; }
  get isHireable() { return false; }
  get isSiteAdmin() { return false; }
  get isEmployee() { return false; }
  get pronouns() { return null; }
  get status() { return null; }
  organizations(args, ctx, info) {
    const found = this.user.organizations.map((login) => this.ctx.store.owner(login)).filter(Boolean);
    return connect(found, args, info, { key: ({ id }) => [id], node: (user) => this.ctx.ownerNode(user) });
  }
  organization({ login }) {
    const found = this.user.organizations.find((one) => one.toLowerCase() === login.toLowerCase());
    return found ? this.ctx.ownerNode(this.ctx.store.owner(found)) : null;
  }
  followers(args, ctx, info) { return counted(hashNumber(`followers ${this.user.login}`, 1000), args, info); }
  following(args, ctx, info) { return counted(hashNumber(`following ${this.user.login}`, 100), args, info); }
  gists(args, ctx, info) { return counted(0, args, info); }
  starredRepositories(args, ctx, info) { return { ...counted(0, args, info), isOverLimit: false }; }
}

export class Organization extends Owner {
  get description() { return this.user.bio; }
  get isVerified() { return false; }
  get archivedAt() { return null; }
  membersWithRole(args, ctx, info) {
    const found = [...this.ctx.store.users.values()].filter((user) => user.organizations.includes(this.user.login));
    return connect(found, args, info, { key: ({ id }) => [id], node: (user) => this.ctx.ownerNode(user) });
  }
}

export class Repository {
  constructor(repo, ctx) {
    this.repo = repo;
    this.ctx = ctx;
  }
  get __typename() { return 'Repository'; }
  get id() { return this.repo.nodeId; }
  get databaseId() { return this.repo.id; }
  get name() { return this.repo.name; }
  get nameWithOwner() { return `${this.repo.owner}/${this.repo.name}`; }
  get resourcePath() { return `/${this.nameWithOwner}`; }
  get url() { return WEB + this.resourcePath; }
  get projectsResourcePath() { return `${this.resourcePath}/projects`; }
  get projectsUrl() { return WEB + this.projectsResourcePath; }
  get sshUrl() { return `git@github.com:${this.nameWithOwner}.git`; }
  get openGraphImageUrl() { return `https://opengraph.githubassets.com/1/${this.nameWithOwner}`; }
  get usesCustomOpenGraphImage() { return false; }
  get description() { return this.repo.description; }
  get descriptionHTML() { return `<div>${escapeHtml(this.repo.description ?? '')}</div>`; }
  shortDescriptionHTML({ limit }) { return escapeHtml((this.repo.description ?? '').slice(0, limit)); }
  get homepageUrl() { return this.repo.homepageUrl; }
  get createdAt() { return this.repo.createdAt; }
  get updatedAt() { return this.repo.updatedAt; }
  get pushedAt() { return this.repo.pushedAt; }
  get archivedAt() { return this.repo.isArchived ? this.repo.updatedAt : null; }
  get diskUsage() { return this.repo.diskUsage; }
  get isArchived() { return this.repo.isArchived; }
  get isFork() { return this.repo.isFork; }
  get isPrivate() { return this.repo.isPrivate; }
  get isTemplate() { return this.repo.isTemplate; }
  get isDisabled() { return Boolean(this.repo.isDisabled || this.repo.blocked); }
  get isEmpty() { return this.repo.heads.size === 0; }
  get isLocked() { return false; }
  get isMirror() { return false; }
  get isInOrganization() { return this.ctx.store.owner(this.repo.owner).type === 'Organization'; }
  get isUserConfigurationRepository() { return this.repo.owner.toLowerCase() === this.repo.name.toLowerCase(); }
  get isSecurityPolicyEnabled() { return false; }
  get visibility() { return this.repo.isPrivate ? 'PRIVATE' : 'PUBLIC'; }
  get lockReason() { return null; }
  get mirrorUrl() { return null; }
  get stargazerCount() { return this.repo.stargazerCount; }
  get forkCount() { return this.repo.forkCount; }
  get forkingAllowed() { return true; }
  get hasIssuesEnabled() { return true; }
  get hasProjectsEnabled() { return true; }
  get hasWikiEnabled() { return true; }
  get hasDiscussionsEnabled() { return false; }
  get hasSponsorshipsEnabled() { return false; }
  get hasVulnerabilityAlertsEnabled() { return false; }
  get webCommitSignoffRequired() { return false; }
  get latestRelease() { return null; }
  get templateRepository() { return null; }
  get codeOfConduct() { return null; }
  get fundingLinks() { return []; }
  get viewerCanAdminister() { return this.ctx.viewer?.login === this.repo.owner; }
  get viewerPermission() { return this.viewerCanAdminister ? 'ADMIN' : 'READ'; }
  get viewerHasStarred() { return false; }
  get viewerSubscription() { return 'UNSUBSCRIBED'; }

  owner() { return this.ctx.ownerNode(this.ctx.store.owner(this.repo.owner)); }
  parent() { const repo = this.ctx.store.byId.get(this.repo.parentId); return repo && visible(repo, this.ctx.viewer) ? this.ctx.repositoryNode(repo) : null; }
  licenseInfo() {
    const license = licenseOf(this.repo.license);
    return license && {
      __typename: 'License', id: license.nodeId, key: license.key, name: license.name, spdxId: license.spdxId, nickname: null,
      url: license.key === 'other' ? null : `http://choosealicense.com/licenses/${license.key}/`, hidden: false, featured: license.key === 'mit', pseudoLicense: license.key === 'other',
    };
  }
  primaryLanguage() { return this.repo.languages.length ? language(this.repo.languages[0][0]) : null; }
  languages(args, ctx, info) {
    const sizes = this.repo.languages;
    return connect(sizes, args, info, {
      key: ([name, size]) => (args.orderBy ? [size, name] : [name]), descending: args.orderBy?.direction === 'DESC',
      node: ([name]) => language(name), edge: ([, size]) => ({ size }), extra: { totalSize: sizes.reduce((sum, [, size]) => sum + size, 0) },
    });
  }
  repositoryTopics(args, ctx, info) {
    const topics = this.repo.topics.map((name, index) => ({ name, index }));
    return connect(topics, args, info, {
      key: ({ index }) => [index],
      node: ({ name, index }) => ({
        __typename: 'RepositoryTopic', id: nodeId('RT', this.repo.id * 20 + index), resourcePath: `/topics/${name}`, url: `${WEB}/topics/${name}`,
        topic: { __typename: 'Topic', id: nodeId('MDU', 1000 + hashNumber(name, 1e6)), name, stargazerCount: 0, viewerHasStarred: false },
      }),
    });
  }

  #blocked() {
    if (this.repo.blocked || this.repo.isDisabled) throw new TypedError('FORBIDDEN', 'Repository access blocked');
  }
  defaultBranchRef() {
    this.#blocked();
    return this.repo.heads.has(this.repo.defaultBranch) ? new Ref(this.repo, this.repo.defaultBranch, this.ctx) : null;
  }
  ref({ qualifiedName }) {
    this.#blocked();
    const branch = qualifiedName.replace(/^refs\/heads\/|^heads\//, '');
    return this.repo.heads.has(branch) ? new Ref(this.repo, branch, this.ctx) : null;
  }
  refs(args, ctx, info) {
    this.#blocked();
    const names = args.refPrefix === 'refs/heads/' ? [...this.repo.heads.keys()] : [];
    return connect(names, args, info, { key: (name) => [name], node: (name) => new Ref(this.repo, name, this.ctx) });
  }
  async object({ oid, expression }) {
    this.#blocked();
    if (!oid && !expression) throw new TypedError('INVALID_ARGUMENTS', 'Repository.object requires an oid or an expression.');
    const { store } = this.ctx;
    if (oid) {
      const type = await store.typeIn(this.repo, oid);
      return type ? makeObject(this.repo, oid, type, this.ctx) : null;
    }
    const found = await store.expression(this.repo, expression);
    return found && makeObject(this.repo, found.oid, found.type, this.ctx, found.path ? `${found.path}/` : '');
  }

  stargazers(args, ctx, info) { return counted(this.repo.stargazerCount, args, info); }
  watchers(args, ctx, info) { return counted(this.repo.watcherCount, args, info); }
  forks(args, ctx, info) { return { ...counted(this.repo.forkCount, args, info), totalDiskUsage: 0 }; }
  issues(args, ctx, info) { return counted(args.states?.includes('CLOSED') ? 0 : this.repo.openIssueCount, args, info); }
  pullRequests(args, ctx, info) { return counted(0, args, info); }
  releases(args, ctx, info) { return counted(0, args, info); }
}

function escapeHtml(text) {
  return text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]);
}
